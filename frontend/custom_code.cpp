// From the description of a custom kernel to code that can be compiled: all that can be known before a call is checked here.

#include "codegen/spirv/inspect.h"
#include "codegen/spirv/resources.h"
#include "codegen/spirv/validate.h"
#include "frontend/custom.h"
#include "ir/kernel_builder.h"
#include "ir/parser.h"
#include "support/digest.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace heddle::detail {

namespace {

bool is_identifier(const std::string& text) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    return !text.empty() && letter(text[0]) &&
           std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

class CodeMaker {
public:
    explicit CodeMaker(const CustomDescription& description) : description_(description) {}

    std::shared_ptr<const ir::CustomCode> run() {
        check_names();
        if (!description_.kernel.empty()) read_kernels();
        code_->spirv = checked(description_.spirv, "spirv", true);
        code_->spirv_descriptors = checked(description_.spirv_descriptors, "spirv_descriptors", false);
        if (code_->kernels == nullptr && code_->spirv.words.empty() &&
            code_->spirv_descriptors.words.empty() && !description_.reference)
            wrong("has no code: give `kernel`, `spirv`, `spirv_descriptors` or `reference`");
        code_->name = description_.name;
        code_->sizes = description_.sizes;
        code_->temporaries = description_.temporaries;
        code_->word = fmt::format("{}_{}", description_.name, content().text());
        return code_;
    }

private:
    [[noreturn]] void wrong(const std::string& what) const {
        throw UsageError(fmt::format("custom kernel '{}' {}", description_.name, what));
    }

    void check_names() const {
        if (!is_identifier(description_.name)) wrong("needs a name of letters, digits and _");
        if (description_.outputs.empty()) wrong("has no outputs");
        if (!description_.measure) wrong("has no `measure`, which gives the outputs' shapes");
        for (const std::string& size : description_.sizes)
            if (!is_identifier(size) || std::ranges::count(description_.sizes, size) != 1)
                wrong(fmt::format("has a size named '{}': letters, digits and _, each name once", size));
        for (const CustomInput& input : description_.inputs) check_dtype(input.dtype);
        for (Dtype dtype : description_.outputs) check_dtype(dtype);
        for (Dtype dtype : description_.temporaries) check_dtype(dtype);
    }
    void check_dtype(Dtype dtype) const {
        if (dtype == Dtype::index) wrong("has an array of index, which is no element type of arrays");
    }

    // ---- text

    void read_kernels() {
        std::unique_ptr<ir::Module> module = ir::parse_valid(description_.kernel, description_.name);
        for (u32 k = 0; k < module->dims.symbol_count(); ++k) {
            const std::string name(module->dims.symbol_name(k));
            if (std::ranges::find(description_.sizes, name) == description_.sizes.end())
                wrong(fmt::format("uses ?{}, which is not among its sizes", name));
        }
        std::vector<std::pair<ir::TargetKind, bool>> last; ///< target, whether its last kernel always runs
        for (const auto& kernel : module->functions) {
            if (kernel->level() != ir::Level::kernel)
                wrong(fmt::format("has @{} in its text, which is no kernel", kernel->name()));
            check_parameters(*kernel);
            const ir::TargetKind target = ir::kernel_info(*kernel).target;
            std::erase_if(last, [&](const auto& entry) { return entry.first == target; });
            last.emplace_back(target, kernel->facts.empty() && kernel->aligned.empty());
        }
        if (module->functions.empty()) wrong("has no kernel in its text");
        for (const auto& [target, always] : last)
            if (!always) wrong("has conditions on the last kernel of a target, so that some sizes have none");
        code_->kernels = std::move(module);
    }

    void check_parameters(const ir::Function& kernel) const {
        std::vector<Dtype> wanted;
        for (const CustomInput& input : description_.inputs) wanted.push_back(input.dtype);
        wanted.insert(wanted.end(), description_.outputs.begin(), description_.outputs.end());
        wanted.insert(wanted.end(), description_.temporaries.begin(), description_.temporaries.end());
        std::vector<Dtype> given;
        for (ir::NodeId parameter : kernel.parameters()) {
            if (kernel.type(parameter).kind == ir::TypeKind::pointer)
                given.push_back(kernel.dtype(parameter));
            if (kernel.has(parameter, ir::Key::number))
                wrong(fmt::format("has a number parameter in @{}: numbers are inputs of rank 0",
                                  kernel.name()));
        }
        if (given != wanted)
            wrong(fmt::format("binds inputs, outputs and temporaries of {}; @{} has pointers to {}",
                              text(wanted), kernel.name(), text(given)));
    }

    static std::string text(const std::vector<Dtype>& dtypes) {
        std::string result;
        for (Dtype dtype : dtypes) result += fmt::format("{}{}", result.empty() ? "" : ", ", name_of(dtype));
        return result.empty() ? "nothing" : result;
    }

    // ---- SPIR-V

    ir::CustomSpirv checked(const SpirvCode& code, const char* field, bool has_addresses) const {
        if (code.words.empty()) return {};
        try {
            const codegen::spirv::EntryPoint entry = codegen::spirv::inspect(code.words, code.entry);
            if (entry.buffer_addresses && !has_addresses)
                throw UsageError("the SPIR-V has pointers to buffers, which belong into `spirv`");
            std::string message = codegen::spirv::validate(std::as_bytes(std::span(code.words)));
            std::ranges::replace(message, '\n', ' ');
            if (!message.empty()) throw UsageError("the SPIR-V is not valid: " + message);
            codegen::spirv::Resources resources = codegen::spirv::resources_of(code.words);
            check_arguments(resources, has_addresses);
            return {code.words, code.entry, entry.local, std::move(resources.capabilities),
                    resources.shared_bytes};
        } catch (const UsageError& error) {
            wrong(fmt::format("has wrong code in `{}`: {}", field, error.what()));
        }
    }

    /// What the module takes is what a launch gives: docs/custom-kernels.md.
    void check_arguments(const codegen::spirv::Resources& resources, bool has_addresses) const {
        const u32 arrays = static_cast<u32>(description_.inputs.size() + description_.outputs.size() +
                                            description_.temporaries.size());
        const u32 sizes = static_cast<u32>(description_.sizes.size());
        const u32 bytes = 8 * arrays + 4 * sizes;
        const bool pushed = bytes <= ir::Target().max_parameter_bytes;
        const u32 wanted = pushed ? bytes : has_addresses ? 8 : 0;
        const std::vector<u32>& given = resources.push_bytes;
        if (wanted == 0 ? !given.empty() : std::ranges::find(given, wanted) == given.end())
            throw UsageError(fmt::format(
                "its push constants are {} bytes long, expected {} (arrays: {}, sizes: {})",
                fmt::join(given.empty() ? std::vector{0u} : given, " or "), wanted, arrays, sizes));
        const u32 bindings = has_addresses ? 0 : arrays + (pushed ? 0 : 1);
        for (const codegen::spirv::Binding& binding : resources.bindings) {
            if (binding.set == 0 && binding.number < bindings && binding.is_storage_buffer) continue;
            throw UsageError(fmt::format(
                "it has a descriptor at binding {} of set {} that {}", binding.number, binding.set,
                has_addresses  ? "belongs into `spirv_descriptors`"
                : bindings > 1 ? fmt::format("is none of the storage buffers 0 to {} of set 0", bindings - 1)
                               : "is not storage buffer 0 of set 0"));
        }
    }

    // ---- identity

    /// A hash of all that a device could see.
    Digest content() const {
        std::string all;
        auto add = [&](std::string_view part) { all += fmt::format("{}:{};", part.size(), part); };
        auto add_code = [&](const SpirvCode& code) {
            add(code.entry);
            add({reinterpret_cast<const char*>(code.words.data()), code.words.size() * 4});
        };
        for (const CustomInput& input : description_.inputs) add(name_of(input.dtype));
        for (Dtype dtype : description_.outputs) add(name_of(dtype));
        for (Dtype dtype : description_.temporaries) add(name_of(dtype));
        for (const std::string& size : description_.sizes) add(size);
        add(fmt::format("{}, {}, {}, {}", description_.inputs.size(), description_.outputs.size(),
                        description_.temporaries.size(), description_.sizes.size()));
        add(description_.kernel);
        add_code(description_.spirv);
        add_code(description_.spirv_descriptors);
        return digest(std::as_bytes(std::span(all)));
    }

    const CustomDescription& description_;
    std::shared_ptr<ir::CustomCode> code_ = std::make_shared<ir::CustomCode>();
};

} // namespace

std::shared_ptr<const ir::CustomCode> custom_code_of(const CustomDescription& description) {
    return CodeMaker(description).run();
}

std::string missing_code(const CustomKernel::State& state, const ir::Target& target) {
    if (target.kind == ir::TargetKind::interpreter) return state.description.reference ? "" : "`reference`";
    if (state.code->spirv_for(target) != nullptr || !state.code->kernels_for(target).empty()) return "";
    if (target.kind == ir::TargetKind::cpu) return "`kernel` with target = cpu";
    return fmt::format("`{}`, or `kernel` with target = gpu",
                       target.buffer_addresses ? "spirv" : "spirv_descriptors");
}

} // namespace heddle::detail
