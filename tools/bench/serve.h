#pragma once
// heddle bench --serve: workloads that are timed in turns with other programs. Each line on stdin asks for one thing, each line on
// stdout is its answer, one JSON object:
//
//     open NAME [N [FOLDER]]   makes the inputs (N = 0: of the workload's own size), calls once, checks; {"name", "n", "device", "bytes", "flops", "kernels", "sets",
//                              "first_call_ms", "checked", "error", "inputs", "outputs"}. The inputs and results of that call go to
//                              FOLDER/input_0.npy, FOLDER/output_0.npy and so on; bf16 as f32, for which .npy has a name.
//     run CALLS                calls of the open workload in a row, over inputs in turn, and one wait; {"ms": of one call}

#include <istream>
#include <string>

namespace heddle::tools {

/// Until the lines end. Throws UsageError `<stdin>:LINE: why`.
void serve_bench(const std::string& device, std::istream& lines);

} // namespace heddle::tools
