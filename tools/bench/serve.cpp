#include "tools/bench/serve.h"

#include "bench/session.h"
#include "tools/run/npy.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>
#include <sstream>

namespace heddle::tools {
namespace {

constexpr int most_input_sets = 32;

void save(const bench::Arrays& arrays, const std::string& folder, const char* what) {
    for (std::size_t k = 0; k < arrays.size(); ++k) {
        const Array array = arrays[k].dtype() == Dtype::bf16 ? cast(arrays[k], Dtype::f32).eval() : arrays[k];
        std::vector<std::int64_t> shape;
        for (int axis = 0; axis < array.rank(); ++axis) shape.push_back(array.shape(axis).value());
        std::vector<char> elements(static_cast<std::size_t>(array.elements().value()) *
                                   size_of(array.dtype()));
        array.to_host(elements.data(), elements.size());
        write_npy(fmt::format("{}/{}_{}.npy", folder, what, k), array.dtype(), shape, elements.data());
    }
}

std::int64_t whole_number(const std::string& word, std::int64_t least, std::string_view what) {
    std::size_t used = 0;
    std::int64_t value = 0;
    try {
        value = std::stoll(word, &used);
    } catch (const std::logic_error&) {
    }
    if (used == 0 || used != word.size() || value < least)
        throw UsageError(fmt::format("{} '{}': expected a whole number of at least {}", what, word, least));
    return value;
}

class Server {
public:
    explicit Server(const std::string& device) : device_(device) {}

    nlohmann::ordered_json answer(const std::string& line) {
        std::istringstream text(line);
        std::vector<std::string> words;
        for (std::string word; text >> word;) words.push_back(word);
        if (!words.empty() && words[0] == "open" && words.size() >= 2 && words.size() <= 4)
            return open(words);
        if (words.size() == 2 && words[0] == "run") return run(words[1]);
        throw UsageError(fmt::format("'{}': expected open NAME [N [FOLDER]] or run CALLS", line));
    }

private:
    nlohmann::ordered_json open(const std::vector<std::string>& words) {
        nlohmann::ordered_json reply;
        bench::SessionOptions options{.device = device_, .input_sets = most_input_sets, .references = false};
        if (words.size() > 2) options.size = whole_number(words[2], 0, "N");
        options.look = [&](const bench::Arrays& inputs, const bench::Arrays& results) {
            reply["inputs"] = inputs.size();
            reply["outputs"] = results.size();
            if (words.size() < 4) return;
            save(inputs, words[3], "input");
            save(results, words[3], "output");
        };
        session_.reset(); // its memory is free before the next one's is needed
        session_.emplace(bench::array_workload(words[1]), options);
        const bench::Figures& figures = session_->figures();
        reply["name"] = figures.name;
        reply["n"] = figures.size;
        reply["device"] = figures.device;
        reply["bytes"] = figures.bytes;
        reply["flops"] = figures.flops;
        reply["kernels"] = figures.kernels;
        reply["sets"] = session_->input_sets();
        reply["first_call_ms"] = figures.first_call_ms;
        reply["checked"] = figures.checked;
        reply["error"] = figures.error;
        return reply;
    }

    nlohmann::ordered_json run(const std::string& calls) {
        if (!session_) throw UsageError("run: nothing is open");
        const auto count = static_cast<int>(std::min<std::int64_t>(whole_number(calls, 1, "CALLS"), 1 << 30));
        return {{"ms", session_->run(count)}};
    }

    std::string device_;
    std::optional<bench::Session> session_;
};

} // namespace

void serve_bench(const std::string& device, std::istream& lines) {
    Server server(device);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        try {
            fmt::print("{}\n", server.answer(line).dump());
        } catch (const UsageError& error) {
            throw UsageError(fmt::format("<stdin>:{}: {}", number, error.what()));
        } catch (const ShapeError& error) {
            throw UsageError(fmt::format("<stdin>:{}: {}", number, error.what()));
        }
        std::fflush(stdout);
    }
}

} // namespace heddle::tools
