# What Heddle is built from; docs/dependencies.md says why each is there. scripts/install-deps.sh installs all of it.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(Vulkan REQUIRED QUIET)
find_package(SPIRV-Tools REQUIRED)
find_package(SPIRV-Tools-opt REQUIRED)

find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)

# Headers alone, from the compiler's own search path.
find_path(HEDDLE_STB_INCLUDE stb/stb_image.h REQUIRED)
find_path(HEDDLE_XXHASH_INCLUDE xxhash.h REQUIRED)
find_path(HEDDLE_SPIRV_INCLUDE spirv/unified1/spirv.hpp11 REQUIRED)

# LLVM 22 is what Heddle is developed with; 19 builds too. Set LLVM_DIR to choose.
find_package(LLVM 22.1 QUIET CONFIG HINTS /usr/lib/llvm-22/lib/cmake/llvm)
if(NOT LLVM_FOUND)
    find_package(LLVM 19.1 QUIET CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
endif()
if(NOT LLVM_FOUND)
    message(FATAL_ERROR "LLVM 22 or 19 was not found. Run scripts/install-deps.sh, or set LLVM_DIR to the folder of "
        "LLVMConfig.cmake")
endif()
if(NOT TARGET LLVM)
    message(FATAL_ERROR "LLVM ${LLVM_VERSION} at ${LLVM_DIR} has no shared library libLLVM.so, which Heddle links")
endif()
message(STATUS "LLVM ${LLVM_VERSION} from ${LLVM_DIR}")

add_library(heddle_llvm_headers INTERFACE)
target_include_directories(heddle_llvm_headers SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
separate_arguments(HEDDLE_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
target_compile_definitions(heddle_llvm_headers INTERFACE ${HEDDLE_LLVM_DEFINITIONS})
if(NOT LLVM_ENABLE_RTTI)
    message(FATAL_ERROR "LLVM ${LLVM_VERSION} was built without RTTI; Heddle needs one with it, as Debian's packages are")
endif()
