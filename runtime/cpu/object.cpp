// ELF for x86-64, as in the System V ABI's AMD64 supplement, chapter 4 (object files): relocatable files with code and read-only data.

#include "runtime/cpu/object.h"

#include "support/integers.h"

#include <heddle/error.h>

#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace heddle::runtime::cpu {
namespace {

[[noreturn]] void damaged(std::string_view what) {
    throw DeviceError(fmt::format("object file of a kernel: {}", what));
}

/// What LLVM may call for an instruction that the machine lacks.
const void* outside_function(std::string_view name) {
    struct Row {
        std::string_view name;
        const void* address;
    };
    using F = float (*)(float);
    using D = double (*)(double);
#define FUNCTION(name, type)                                                                                 \
    Row { #name, reinterpret_cast<const void*>(static_cast<type>(::name)) }
    static const Row rows[] = {
        FUNCTION(floorf, F),
        FUNCTION(floor, D),
        FUNCTION(ceilf, F),
        FUNCTION(ceil, D),
        FUNCTION(truncf, F),
        FUNCTION(trunc, D),
        FUNCTION(nearbyintf, F),
        FUNCTION(nearbyint, D),
        FUNCTION(fmaf, float (*)(float, float, float)),
        FUNCTION(fma, double (*)(double, double, double)),
        FUNCTION(memcpy, void* (*)(void*, const void*, std::size_t)),
        FUNCTION(memset, void* (*)(void*, int, std::size_t)),
        FUNCTION(memmove, void* (*)(void*, const void*, std::size_t)),
        // Rounding is to nearest even wherever Heddle runs.
        Row{"roundevenf", reinterpret_cast<const void*>(static_cast<F>(::nearbyintf))},
        Row{"roundeven", reinterpret_cast<const void*>(static_cast<D>(::nearbyint))},
    };
#undef FUNCTION
    for (const Row& row : rows)
        if (row.name == name) return row.address;
    throw DeviceError(fmt::format("object file of a kernel: nothing provides {}", name));
}

/// A view of the file in which every access is checked.
class Reader {
public:
    explicit Reader(std::span<const std::byte> file) : file_(file) {}
    std::span<const std::byte> bytes(u64 offset, u64 count) const {
        if (offset > file_.size() || count > file_.size() - offset) damaged("it is cut off");
        return file_.subspan(offset, count);
    }
    template <class T> T read(u64 offset) const {
        T value;
        std::memcpy(&value, bytes(offset, sizeof value).data(), sizeof value);
        return value;
    }
    template <class T> std::vector<T> table(const Elf64_Shdr& section) const {
        const std::span<const std::byte> from = bytes(section.sh_offset, section.sh_size);
        std::vector<T> entries(from.size() / sizeof(T));
        if (!entries.empty()) std::memcpy(entries.data(), from.data(), entries.size() * sizeof(T));
        return entries;
    }
    std::string_view text(const Elf64_Shdr& table, u64 offset) const {
        const std::span<const std::byte> from = bytes(table.sh_offset, table.sh_size);
        if (offset >= from.size()) damaged("a name lies outside its table");
        const char* begin = reinterpret_cast<const char*>(from.data()) + offset;
        return {begin, strnlen(begin, from.size() - offset)};
    }

private:
    std::span<const std::byte> file_;
};

constexpr u64 round_up(u64 value, u64 to) { return (value + to - 1) / to * to; }
constexpr u64 stub_bytes =
    16; ///< jmp *8(%rip) and the address; the address also serves as an entry of a global offset table

class Linker {
public:
    explicit Linker(std::span<const std::byte> file) : reader_(file) {
        read_sections();
        read_symbols();
    }

    /// Code first, then stubs, then, on a page of its own, what is only read.
    void place() {
        place_sections(true);
        stubs_ = round_up(end_, stub_bytes);
        end_ = stubs_ + outside_.size() * stub_bytes;
        const u64 page = static_cast<u64>(sysconf(_SC_PAGESIZE));
        code_bytes_ = end_ = round_up(end_, page);
        place_sections(false);
        end_ = round_up(end_, page);
    }
    u64 code_bytes() const { return code_bytes_; }
    u64 bytes() const { return end_; }

    void fill(std::byte* memory) {
        memory_ = memory;
        for (std::size_t k = 0; k < sections_.size(); ++k) {
            if (!loaded(sections_[k]) || sections_[k].sh_type == SHT_NOBITS) continue;
            const std::span<const std::byte> from =
                reader_.bytes(sections_[k].sh_offset, sections_[k].sh_size);
            if (!from.empty()) std::memcpy(memory + addresses_[k], from.data(), from.size());
        }
        for (std::size_t k = 0; k < outside_.size(); ++k) write_stub(k);
        for (const Elf64_Shdr& section : sections_)
            if (section.sh_type == SHT_RELA) relocate(section);
    }

    const void* find(std::string_view name) const {
        for (std::size_t k = 0; k < symbols_.size(); ++k) {
            // The file symbol has the module's name, which may be the kernel's.
            if (symbols_[k].st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbols_[k].st_info) != STT_FUNC ||
                name_of(symbols_[k]) != name)
                continue;
            const u64 at = address_of(k) - reinterpret_cast<u64>(memory_);
            if (at >= code_bytes_) damaged("its entry point is no code");
            return memory_ + at;
        }
        throw DeviceError(fmt::format("object file of a kernel: it has no entry point {}", name));
    }

private:
    static bool loaded(const Elf64_Shdr& section) {
        // Unwinding data has no reader: kernels do not throw.
        return (section.sh_flags & SHF_ALLOC) != 0 && section.sh_type != SHT_X86_64_UNWIND &&
               section.sh_type != SHT_NOTE;
    }

    void read_sections() {
        const auto header = reader_.read<Elf64_Ehdr>(0);
        if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
            damaged("it is no 64-bit ELF file");
        if (header.e_machine != EM_X86_64 || header.e_type != ET_REL)
            damaged("it is no relocatable x86-64 file");
        for (u64 k = 0; k < header.e_shnum; ++k)
            sections_.push_back(reader_.read<Elf64_Shdr>(header.e_shoff + k * sizeof(Elf64_Shdr)));
        addresses_.resize(sections_.size());
    }

    const Elf64_Shdr& section(u64 number) const {
        if (number >= sections_.size()) damaged("a section is missing");
        return sections_[number];
    }

    std::string_view name_of(const Elf64_Sym& symbol) const {
        return reader_.text(section(names_), symbol.st_name);
    }

    void read_symbols() {
        for (const Elf64_Shdr& table : sections_) {
            if (table.sh_type != SHT_SYMTAB) continue;
            symbols_ = reader_.table<Elf64_Sym>(table);
            names_ = table.sh_link;
        }
        stub_of_.resize(symbols_.size());
        for (std::size_t k = 1; k < symbols_.size(); ++k) {
            if (symbols_[k].st_shndx != SHN_UNDEF) continue;
            stub_of_[k] = outside_.size();
            outside_.push_back(outside_function(name_of(symbols_[k])));
        }
    }

    void place_sections(bool code) {
        for (std::size_t k = 0; k < sections_.size(); ++k) {
            const Elf64_Shdr& section = sections_[k];
            if (!loaded(section) || ((section.sh_flags & SHF_EXECINSTR) != 0) != code) continue;
            if ((section.sh_flags & (SHF_WRITE | SHF_TLS)) != 0) damaged("it has data that is written to");
            if (section.sh_addralign > 4096 || section.sh_size > (u64{1} << 30))
                damaged("a section has an impossible size");
            end_ = round_up(end_, std::max<u64>(section.sh_addralign, 1));
            addresses_[k] = end_;
            end_ += section.sh_size;
        }
    }

    void write_stub(std::size_t k) {
        std::byte* stub = memory_ + stubs_ + k * stub_bytes;
        const unsigned char jump[8] = {0xFF, 0x25, 2,    0,
                                       0,    0,    0xCC, 0xCC}; // jmp *2(%rip): the address 8 bytes in
        std::memcpy(stub, jump, sizeof jump);
        std::memcpy(stub + 8, &outside_[k], 8);
    }

    u64 address_of(std::size_t number) const {
        if (number >= symbols_.size()) damaged("a symbol is missing");
        const Elf64_Sym& symbol = symbols_[number];
        if (symbol.st_shndx == SHN_UNDEF)
            return reinterpret_cast<u64>(memory_) + stubs_ + stub_of_[number] * stub_bytes;
        if (!loaded(section(symbol.st_shndx)) || symbol.st_value > section(symbol.st_shndx).sh_size)
            damaged("a symbol lies outside its section");
        return reinterpret_cast<u64>(memory_) + addresses_[symbol.st_shndx] + symbol.st_value;
    }

    void relocate(const Elf64_Shdr& table) {
        const Elf64_Shdr& target = section(table.sh_info);
        if (!loaded(target)) return;
        for (const Elf64_Rela& entry : reader_.table<Elf64_Rela>(table))
            apply(entry, target, addresses_[table.sh_info]);
    }

    void apply(const Elf64_Rela& entry, const Elf64_Shdr& target, u64 section_at) {
        const u64 number = ELF64_R_SYM(entry.r_info), type = ELF64_R_TYPE(entry.r_info);
        const bool wide = type == R_X86_64_64 || type == R_X86_64_PC64;
        const u64 width = wide ? 8 : 4;
        if (entry.r_offset > target.sh_size || target.sh_size - entry.r_offset < width)
            damaged("a relocation lies outside its section");
        std::byte* place = memory_ + section_at + entry.r_offset;
        const u64 from = reinterpret_cast<u64>(place);
        u64 value = address_of(number) + static_cast<u64>(entry.r_addend);
        switch (type) {
        case R_X86_64_64: break;
        case R_X86_64_PC64:
        case R_X86_64_PC32:
        case R_X86_64_PLT32: value -= from; break;
        case R_X86_64_GOTPCREL:
        case R_X86_64_GOTPCRELX:
        case R_X86_64_REX_GOTPCRELX:
            if (symbols_[number].st_shndx != SHN_UNDEF)
                damaged("it wants an offset table for its own symbols");
            value += 8 - from;
            break;
        default: damaged(fmt::format("relocation of unknown type {}", type));
        }
        if (!wide && static_cast<i64>(value) != static_cast<i32>(static_cast<i64>(value)))
            damaged("a relocation does not fit");
        std::memcpy(place, &value, width);
    }

    Reader reader_;
    std::vector<Elf64_Shdr> sections_;
    std::vector<u64> addresses_; ///< of sections, from the start of the memory
    std::vector<Elf64_Sym> symbols_;
    std::vector<std::size_t> stub_of_;
    std::vector<const void*> outside_;
    u64 names_ = 0;
    u64 stubs_ = 0;
    u64 end_ = 0;
    u64 code_bytes_ = 0;
    std::byte* memory_ = nullptr;
};

} // namespace

LoadedObject::LoadedObject(std::span<const std::byte> file, std::string_view entry) {
    Linker linker(file);
    linker.place();
    bytes_ = linker.bytes();
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw OutOfMemory(fmt::format("no memory for {} bytes of machine code", bytes_));
    memory_ = static_cast<std::byte*>(memory);
    try {
        linker.fill(memory_);
        entry_ = linker.find(entry);
        const u64 code = linker.code_bytes();
        const bool done = mprotect(memory_, code, PROT_READ | PROT_EXEC) == 0 &&
                          (code == bytes_ || mprotect(memory_ + code, bytes_ - code, PROT_READ) == 0);
        if (!done) throw DeviceError("the system refuses memory for machine code");
    } catch (...) {
        munmap(memory_, bytes_);
        throw;
    }
}

LoadedObject::~LoadedObject() { munmap(memory_, bytes_); }

} // namespace heddle::runtime::cpu
