"""lit configuration: the .hir files below tests/hir are tests, run by their RUN lines.

%heddle is the tool just built; FileCheck, not, count and split-file are LLVM's. Feature `vulkan`: the tool lists a Vulkan device
that can be used. The values of `config.heddle_*` come from lit.site.cfg.py, which the build writes."""

import os
import subprocess

import lit.formats

config.name = "heddle"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".hir"]
config.test_source_root = os.path.join(config.heddle_source_dir, "tests", "hir")
config.test_exec_root = os.path.join(config.heddle_binary_dir, "tests", "hir")

config.substitutions.append(("%heddle", config.heddle_tool))
config.environment["PATH"] = os.pathsep.join(
    [os.path.dirname(config.heddle_tool), config.llvm_tools_dir, config.environment["PATH"]])
config.environment["FILECHECK_OPTS"] = "--dump-input-filter=annotation-full --color=0"
for name in ("HOME", "VK_ICD_FILENAMES", "VK_DRIVER_FILES", "XDG_RUNTIME_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

devices = subprocess.run([config.heddle_tool, "devices", "--names"], capture_output=True, text=True)
if devices.returncode != 0:
    lit_config.fatal(f"`heddle devices` exited with {devices.returncode}: {devices.stderr.strip()}")
if not any(name.startswith("vulkan") for name in devices.stdout.splitlines()):
    lit_config.fatal("there is no Vulkan device, on which the files in run/ have to run; scripts/install-deps.sh installs a driver")
config.available_features.add("vulkan")
