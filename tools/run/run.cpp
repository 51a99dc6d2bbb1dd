// heddle run: runs the functions of a .hir file on devices and compares what they give with the interpreter, or with what the file states.

#include "frontend/context_state.h"
#include "frontend/function_runner.h"
#include "ir/builder.h"
#include "ir/literal.h"
#include "ir/parser.h"
#include "passes/rewrite.h"
#include "runtime/devices.h"
#include "tools/commands.h"
#include "tools/run/cases.h"
#include "tools/run/compare.h"
#include "tools/run/flush.h"
#include "tools/run/npy.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <new>
#include <stdexcept>

namespace heddle::tools {
namespace {

struct Options {
    std::string file;
    std::vector<std::string> inputs;
    std::string function;
    std::vector<std::string> backends;
    std::vector<std::string> sizes;
    u64 seed = 1;
    double ulps = -1;
    std::string output_folder;
    bool print = false;
    std::string schedule;
};

std::string place_text(const std::vector<i64>& shape, std::size_t element) {
    std::string text;
    for (std::size_t k = shape.size(); k-- > 0;) {
        const auto size = static_cast<std::size_t>(shape[k]);
        text = fmt::format("{}{}{}", element % size, text.empty() ? "" : ", ", text);
        element /= size;
    }
    return "[" + text + "]";
}

std::string shape_text(const ir::Tensor& tensor) {
    return fmt::format("{}[{}]", name_of(tensor.dtype), fmt::join(tensor.shape, ", "));
}

/// Elements as a directive writes them.
std::string values_text(const ir::Tensor& tensor) {
    std::size_t next = 0;
    auto write = [&](auto& self, std::size_t axis) -> std::string {
        if (axis == tensor.shape.size()) return ir::literal_text(tensor.dtype, tensor.elements[next++]);
        std::string text = "[";
        for (i64 k = 0; k < tensor.shape[axis]; ++k) text += (k == 0 ? "" : ", ") + self(self, axis + 1);
        return text + "]";
    };
    return write(write, 0);
}

/// Each fma of a file as a product and a sum, for devices that round twice.
std::unique_ptr<ir::Module> without_fma(std::unique_ptr<ir::Module> module) {
    std::vector<std::string> names;
    for (const auto& function : module->functions)
        if (function->level() == ir::Level::graph) names.push_back(function->name());
    for (const std::string& name : names)
        passes::rewrite(*module->find(name), [](passes::Rewriter& r, ir::NodeId old) -> ir::NodeId {
            if (r.from().op(old) != ir::Op::fma) return {};
            const std::vector<ir::NodeId> operands = r.mapped(r.from().operands(old));
            ir::Builder builder(r.to());
            return builder.binary(ir::Op::add, builder.binary(ir::Op::mul, operands[0], operands[1]),
                                  operands[2]);
        });
    return module;
}

bool has_fma(const ir::Function& function) {
    return std::ranges::any_of(ir::live_nodes(function),
                               [&](ir::NodeId node) { return function.op(node) == ir::Op::fma; });
}

bool has_exceptions(const ir::Target& target, const ir::Function& function) {
    if (target.kind == ir::TargetKind::interpreter) return false;
    return flushes_subnormals(target) || (!target.fused_fma && has_fma(function));
}

std::string_view exceptions_text(const ir::Target& target) {
    return target.fused_fma             ? "subnormals flushed"
           : flushes_subnormals(target) ? "subnormals flushed or fma rounded twice"
                                        : "fma rounded twice";
}

class Runner {
public:
    Runner(const Options& options, std::string text)
        : options_(options), text_(std::move(text)), file_(display_name(options.file)),
          module_(ir::parse_valid(text_, file_)), unfused_(without_fma(ir::parse_valid(text_, file_))),
          context_({.cache_directory = ""}) {
        backends_ = options.backends;
        for (const std::string& name : backends_) check_backend(name);
        if (!backends_.empty()) return;
        for (const runtime::DeviceInfo& device : runtime::list_devices())
            if (device.refused.empty()) backends_.push_back(device.name);
        // The reference first, so that a wrong statement of the file is seen as such.
        std::ranges::stable_partition(backends_, [](const std::string& name) { return name == "interp"; });
    }

    int run() {
        for (const RunCase& one : make_cases(*module_, case_options())) {
            run_case(one);
            ++case_number_;
        }
        fmt::print("{} results on {}: {}", results_, fmt::join(backends_, ", "),
                   wrong_ == 0 ? "ok" : fmt::format("{} differ", wrong_));
        fmt::print("{}\n", not_run_ == 0 ? "" : fmt::format(", {} runs not possible", not_run_));
        return wrong_ == 0 && not_run_ == 0 ? 0 : 1;
    }

private:
    /// A wrong name is said before anything runs; a device that cannot be opened is said with each case that it does not run.
    void check_backend(const std::string& name) {
        if (name.empty()) throw UsageError("--backend: a name is empty; `heddle devices` lists them");
        try {
            (void)context_.state()->device(name);
        } catch (const DeviceError&) {
        }
    }

    CaseOptions case_options() const {
        return {file_, text_, options_.function, options_.inputs, parse_sizes(options_.sizes), options_.seed};
    }

    void run_case(const RunCase& one) {
        const auto refused = [&](std::string_view why) {
            return UsageError(fmt::format("{}: {}: {}", one.place, one.description, why));
        };
        constexpr std::string_view too_large = "the sizes need more memory than there is";
        try {
            const std::vector<ir::Tensor> reference = interpreted(one);
            for (const std::string& backend : backends_) run_on(backend, one, reference);
        } catch (const std::bad_alloc&) {
            throw refused(too_large);
        } catch (const std::length_error&) {
            throw refused(too_large);
        }
    }

    /// What the interpreter cannot do with these sizes or values is the input's fault.
    static std::vector<ir::Tensor> interpreted(const RunCase& one) {
        try {
            return ir::interpret(*one.function, one.inputs, one.numbers);
        } catch (const ShapeError& error) {
            throw UsageError(fmt::format("{}: {}: {}", one.place, one.description, error.what()));
        }
    }

    detail::FunctionRunner& runner(const std::string& backend, const ir::Function& function) {
        std::unique_ptr<detail::FunctionRunner>& slot = runners_[{backend, function.name()}];
        if (slot == nullptr)
            slot = std::make_unique<detail::FunctionRunner>(
                context_, backend, ir::parse_valid(text_, file_), function.name(),
                detail::DriverOptions{.schedule = options_.schedule});
        return *slot;
    }

    void run_on(const std::string& backend, const RunCase& one, const std::vector<ir::Tensor>& reference) {
        std::vector<ir::Tensor> results;
        ir::Target target;
        try {
            detail::FunctionRunner& device = runner(backend, *one.function);
            target = device.device().target;
            results = device.run(one.inputs, one.numbers, one.symbols);
        } catch (const DeviceError& error) {
            fmt::print("{}: {} on {}: not run: {}\n", one.where, one.description, backend, error.what());
            ++not_run_;
            return;
        }
        const std::vector<ir::Tensor>& wanted = one.expected.empty() ? reference : one.expected;
        for (std::size_t k = 0; k < results.size(); ++k) check(backend, target, one, k, results, wanted);
    }

    Bound bound_for(const RunCase& one, const ir::Tensor& wanted, const ir::Target& target) const {
        Bound bound = bound_of(*one.function, wanted.dtype, target, summed_terms(*one.function, one.symbols));
        if (options_.ulps >= 0 || (one.ulps && target.kind != ir::TargetKind::interpreter)) {
            bound.ulps = options_.ulps >= 0 ? options_.ulps : *one.ulps;
            bound.scale_ulps = 0;
        }
        return bound;
    }

    void check(const std::string& backend, const ir::Target& target, const RunCase& one, std::size_t k,
               const std::vector<ir::Tensor>& results, const std::vector<ir::Tensor>& all_wanted) {
        const ir::Tensor &got = results[k], &wanted = all_wanted[k];
        std::string name = fmt::format("{}: {}", one.where, one.description);
        if (results.size() > 1) name += fmt::format(" result {}", k);
        name += fmt::format(" on {}", backend);
        ++results_;
        if (!options_.output_folder.empty()) write(backend, one, k, got);
        if (options_.print) fmt::print("{}: {} {}\n", name, shape_text(got), values_text(got));
        if (got.shape != wanted.shape) {
            fmt::print("{}: {}, expected {}: differs\n", name, shape_text(got), shape_text(wanted));
            ++wrong_;
            return;
        }
        const Bound bound = bound_for(one, wanted, target);
        ir::Tensor scale;
        if (bound.scale_ulps > 0)
            scale = std::move(ir::interpret(*one.function, magnitudes(one.inputs), one.numbers)[k]);
        Comparison comparison{bound, bound.scale_ulps > 0 ? &scale : nullptr, {}};
        const ir::Function& may_run =
            target.fused_fma ? *one.function : *unfused_->find(one.function->name());
        std::vector<ir::Tensor> plain, flushed;
        if (has_exceptions(target, *one.function)) {
            plain = ir::interpret(may_run, one.inputs, one.numbers);
            flushed = ir::interpret(may_run, flush_subnormals(one.inputs, target), one.numbers);
            comparison.exceptions =
                Exceptions{&target,
                           {&plain[k], &flushed[k]},
                           lost_quotients(*one.function, one.inputs, wanted.elements.size())};
        }
        report(name, one, got, wanted, compare(got, wanted, comparison), bound, exceptions_text(target));
    }

    void report(const std::string& name, const RunCase& one, const ir::Tensor& got, const ir::Tensor& wanted,
                const Difference& found, const Bound& bound, std::string_view exceptions) {
        std::string text = fmt::format("{}: {:.3g} ulp", name, found.ulps);
        if (found.exceptions > 0)
            text += fmt::format(" but for {} elements ({})", found.exceptions, exceptions);
        fmt::print("{}: {}\n", text, found.is_within ? "ok" : "differs");
        if (found.is_within) return;
        ++wrong_;
        const auto element = [&](const ir::Tensor& tensor, std::size_t at) {
            return ir::literal_text(tensor.dtype, tensor.elements[at]);
        };
        fmt::print("  at {}: {}, expected {}", place_text(wanted.shape, found.worst),
                   element(got, found.worst), element(wanted, found.worst));
        if (is_float(wanted.dtype))
            fmt::print(" within {:.3g} ulp{}", bound.ulps,
                       bound.scale_ulps > 0 ? fmt::format(" and {:.3g} of the magnitudes", bound.scale_ulps)
                                            : "");
        std::string inputs;
        for (const ir::Tensor& input : one.inputs)
            if (input.shape.empty() || input.shape == wanted.shape)
                inputs += (inputs.empty() ? "; inputs " : ", ") +
                          element(input, input.shape.empty() ? 0 : found.worst);
        fmt::print("{}\n", inputs);
    }

    void write(const std::string& backend, const RunCase& one, std::size_t k,
               const ir::Tensor& tensor) const {
        const std::filesystem::path folder(options_.output_folder);
        std::error_code failure;
        std::filesystem::create_directories(folder, failure);
        if (failure)
            throw UsageError(
                fmt::format("{}: cannot be made: {}", options_.output_folder, failure.message()));
        write_npy(folder / fmt::format("{}.{}.{}.{}.npy", one.function->name(), case_number_, backend, k),
                  tensor);
    }

    const Options& options_;
    std::string text_;
    std::string file_;
    std::unique_ptr<ir::Module> module_; ///< for the interpreter; a device compiles its own copy
    std::unique_ptr<ir::Module> unfused_;
    Context context_;
    std::vector<std::string> backends_;
    std::map<std::pair<std::string, std::string>, std::unique_ptr<detail::FunctionRunner>> runners_;
    std::size_t case_number_ = 0;
    int results_ = 0, wrong_ = 0, not_run_ = 0;
};

int run(const Options& options) { return Runner(options, read_text(options.file)).run(); }

} // namespace

void add_run(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand(
        "run",
        "Runs the functions of a .hir file on devices and compares the results with the interpreter's");
    auto options = std::make_shared<Options>();
    command->add_option("FILE", options->file, "the .hir file, '-' for stdin")->required();
    command->add_option("INPUT", options->inputs,
                        ".npy files, one a parameter; else the file's `run:` lines, or random");
    command->add_option("--function", options->function, "only this one, without the @");
    command
        ->add_option("--backend", options->backends,
                     "devices: interp,cpu,vulkan; default: all that can be used")
        ->delimiter(',')
        ->allow_extra_args(false);
    command->add_option("--size", options->sizes, "NAME=NUMBER: the size ?NAME of random inputs")
        ->allow_extra_args(false);
    command->add_option("--seed", options->seed, "of random inputs");
    command->add_option("--ulp", options->ulps, "largest difference, in place of the documented one")
        ->check(finite_bound());
    command->add_option("--output-dir", options->output_folder,
                        "writes results there, as FUNCTION.CASE.DEVICE.RESULT.npy");
    command->add_option(
        "--schedule", options->schedule,
        "[KERNEL=]SCHEDULE, in place of the compiler's choice; several with ';' (docs/tuning.md)");
    command->add_flag("--print", options->print, "print the results too");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
