// The text form under hostile input: whatever is done to a valid file, the parser gives a module that prints and reads back, or
// one located message.

#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"

#include <heddle/error.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace heddle::ir {
namespace {

/// The valid files of tests/hir/ir, those that are to round-trip, without their comments.
const std::vector<std::string>& samples() {
    static const std::vector<std::string> texts = [] {
        std::vector<std::filesystem::path> paths;
        for (const auto& entry : std::filesystem::directory_iterator(HEDDLE_SOURCE_DIR "/tests/hir/ir")) {
            const std::string name = entry.path().filename().string();
            if (entry.path().extension() == ".hir" && !name.starts_with("bad_") &&
                !name.starts_with("verify_"))
                paths.push_back(entry.path());
        }
        std::sort(paths.begin(), paths.end());
        std::vector<std::string> result;
        for (const auto& path : paths) {
            std::string text, line;
            for (std::ifstream file(path); std::getline(file, line);)
                if (!line.substr(std::min(line.find_first_not_of(' '), line.size())).starts_with("//"))
                    text += line + '\n';
            result.push_back(text);
        }
        return result;
    }();
    return texts;
}

/// `t.hir:LINE:COLUMN: ` and what is wrong, at a line of the text.
void expect_located(const std::string& message, const std::string& text) {
    unsigned long line = 0, column = 0;
    int end = -1;
    ASSERT_EQ(std::sscanf(message.c_str(), "t.hir:%lu:%lu: %n", &line, &column, &end), 2) << message;
    ASSERT_GT(end, 0) << message;
    EXPECT_LT(static_cast<std::size_t>(end), message.size()) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    const auto lines = static_cast<unsigned long>(std::count(text.begin(), text.end(), '\n')) + 1;
    EXPECT_GE(line, 1u) << message;
    EXPECT_LE(line, lines) << message;
}

/// Parses, prints, parses again; true if the text was valid.
bool parse_or_refuse(const std::string& text) {
    std::unique_ptr<Module> module;
    try {
        module = parse(text, "t.hir");
    } catch (const ParseError& error) {
        expect_located(error.what(), text);
        return false;
    }
    const std::string once = print(*module);
    for (const auto& function : module->functions) (void)diagnose(*function);
    try {
        EXPECT_EQ(print(*parse(once, "printed.hir")), once) << "from:\n" << text;
    } catch (const ParseError& error) {
        ADD_FAILURE() << error.what() << "\nprinted:\n" << once << "\nfrom:\n" << text;
    }
    return true;
}

TEST(Parser, EverySampleIsValidAndPrintsToAFixpoint) {
    ASSERT_GE(samples().size(), 8u);
    for (const std::string& text : samples()) EXPECT_TRUE(parse_or_refuse(text)) << text;
}

TEST(Parser, CanonicalNamesAreAFixpointToo) {
    for (const std::string& text : samples()) {
        const PrintOptions canonical{.canonical_names = true};
        const std::string once = print(*parse(text, "t.hir"), canonical);
        EXPECT_EQ(print(*parse(once, "t.hir"), canonical), once);
    }
}

TEST(Parser, AFileCutOffAnywhereIsRefusedOrValid) {
    for (const std::string& text : samples()) {
        for (std::size_t end = 0; end < text.size(); ++end) {
            parse_or_refuse(text.substr(0, end));
            if (HasFailure()) return;
        }
    }
}

/// Pieces that are likely to be syntax somewhere, with a blank between each two.
constexpr std::string_view words =
    "%x %0 ?n @f !1 { } ( ) [ ] < > , : ; = -> .. + - * / % 0 -1 0.5 1e999 inf nan "
    "99999999999999999999 9223372036854775807 bits(0x1) true f32 i64 index f32[4] "
    "f32<4> ptr<f32> magic func kernel return yield if else for in step where when "
    "add load store constant reduce while view dot min( \" \\ \x01 \xff";
constexpr std::string_view phrases[] = {"\n", " ", "// ", "axes = [0]", "{axis = 1}", "ceildiv(?n, 0)"};

std::string random_piece(std::mt19937& random) {
    static const std::vector<std::string> pieces = [] {
        std::vector<std::string> all(std::begin(phrases), std::end(phrases));
        std::istringstream each{std::string(words)};
        for (std::string word; each >> word;) all.push_back(word);
        return all;
    }();
    return pieces[random() % pieces.size()];
}

std::string mutated(std::string text, std::mt19937& random) {
    const unsigned changes = 1 + random() % 4;
    for (unsigned k = 0; k < changes && !text.empty(); ++k) {
        const std::size_t at = random() % text.size();
        const std::size_t length = std::min<std::size_t>(1 + random() % 12, text.size() - at);
        switch (random() % 6) {
        case 0: text[at] = static_cast<char>(random() % 256); break;
        case 1: text.erase(at, length); break;
        case 2: text.insert(at, random_piece(random)); break;
        case 3: text.replace(at, length, random_piece(random)); break;
        case 4: text.insert(random() % text.size(), text.substr(at, length)); break;
        default: std::swap(text[at], text[random() % text.size()]); break;
        }
    }
    return text;
}

TEST(Parser, MutatedFilesAreRefusedWithAPlaceOrValid) {
    std::mt19937 random(20240607);
    int valid = 0;
    for (int round = 0; round < 6000; ++round) {
        valid += parse_or_refuse(mutated(samples()[random() % samples().size()], random));
        if (HasFailure()) return;
    }
    // Mutations in comments and names leave files valid; if none did, the mutations would be too coarse to test anything.
    EXPECT_GT(valid, 100);
    EXPECT_LT(valid, 5000);
}

TEST(Parser, DeepNestingIsRefusedNotFollowed) {
    std::string deep =
        "kernel @k() {target = cpu, index = 64, grid = [1]} {\n  %g = grid_index 0\n  %c = lt %g, 4\n";
    std::string text = deep;
    for (int k = 0; k < 100000; ++k) text += "if %c { ";
    EXPECT_THROW(parse(text, "t.hir"), ParseError);
    text = deep + "%i = index " + std::string(100000, '(');
    EXPECT_THROW(parse(text, "t.hir"), ParseError);
    text = "func @f(%x: f32[" + std::string(100000, '(') + "]) -> () { return }";
    EXPECT_THROW(parse(text, "t.hir"), ParseError);
    text = "func @f(%x: f32[" + std::string(100000, '-') + "1]) -> () { return }";
    EXPECT_THROW(parse(text, "t.hir"), ParseError);
}

TEST(Parser, ManyLinesTakeLinearTime) {
    std::string text = "func @f(%x: f32[4]) -> f32[4] {\n  %a0 = exp %x : f32[4]\n";
    const int count = 20000;
    for (int k = 1; k < count; ++k)
        text += "  %a" + std::to_string(k) + " = exp %a" + std::to_string(k - 1) + " : f32[4]\n";
    text += "  return %a" + std::to_string(count - 1) + "\n}\n";
    EXPECT_EQ(print(*parse(text, "t.hir")), text);
}

TEST(Parser, TheExamplesInTheDocsAreAsTheyPrint) {
    std::ostringstream document;
    document << std::ifstream(HEDDLE_SOURCE_DIR "/docs/hir.md").rdbuf();
    const std::string text = document.str(), fence = "```hir\n";
    int examples = 0;
    for (std::size_t at = text.find(fence); at != std::string::npos;
         at = text.find(fence, at + 1), ++examples) {
        const std::size_t begin = at + fence.size();
        const std::string example = text.substr(begin, text.find("```", begin) - begin);
        EXPECT_EQ(print(*parse(example, "docs/hir.md")), example);
    }
    EXPECT_GE(examples, 1);
}

TEST(Parser, AMessageNamesFileLineAndColumn) {
    try {
        parse("func @f(%x: f32[2]) -> f32[2] {\n  %y = exq %x : f32[2]\n", "a/b.hir");
        FAIL();
    } catch (const ParseError& error) {
        EXPECT_STREQ(error.what(), "a/b.hir:2:8: unknown op 'exq'");
    }
}

TEST(Printer, ShowsWhatBreaksTheRules) {
    Module module;
    Function& function = module.add_function("broken");
    const NodeId x = function.add_parameter(module.types.tensor(Dtype::f32, {}));
    function.set_name(x, "x");
    const NodeId missing{77u};
    function.set_results({x, missing});
    EXPECT_NE(print(function).find("return %x, %invalid"), std::string::npos) << print(function);
    EXPECT_EQ(diagnose(function).size(), 1u);
}

TEST(Printer, NamesThatTheTextCannotHoldAreMadeToFit) {
    Module module;
    Function& function = module.add_function("operator+ (int)");
    const NodeId x = function.add_parameter(module.types.tensor(Dtype::f32, {}));
    const NodeId y = function.add_parameter(module.types.tensor(Dtype::f32, {}));
    function.set_name(x, "a b");
    function.set_name(y, "a-b");
    function.set_results({x, y});
    const std::string text = print(function);
    EXPECT_NE(text.find("func @operator___int_(%a_b: f32[], %a_b_1: f32[])"), std::string::npos) << text;
    EXPECT_EQ(print(*parse(text, "t.hir")), text);
}

} // namespace
} // namespace heddle::ir
