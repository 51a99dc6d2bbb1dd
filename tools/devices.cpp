// heddle devices: what this machine can run on, what each device does not do, and why one that is there cannot be used.

#include "runtime/devices.h"
#include "tools/commands.h"

#include <fmt/format.h>

namespace heddle::tools {

namespace {

void print_device(const runtime::DeviceInfo& device) {
    fmt::print("{:<10} {}", device.name, device.description);
    if (device.memory_bytes > 0)
        fmt::print(", {:.1f} GiB", static_cast<double>(device.memory_bytes) / (1ull << 30));
    fmt::print("\n");
    if (!device.notes.empty()) fmt::print("{:<10} {}\n", "", device.notes);
    if (!device.refused.empty()) fmt::print("{:<10} cannot be used: {}\n", "", device.refused);
}

} // namespace

void add_devices(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand("devices", "Lists the devices of this machine");
    auto names = std::make_shared<bool>(false);
    command->add_flag("--names", *names, "only the names, one a line, of those that can be used");
    command->callback([names, &exit_code] {
        for (const runtime::DeviceInfo& device : runtime::list_devices()) {
            if (!*names)
                print_device(device);
            else if (device.refused.empty())
                fmt::print("{}\n", device.name);
        }
        exit_code = 0;
    });
}

} // namespace heddle::tools
