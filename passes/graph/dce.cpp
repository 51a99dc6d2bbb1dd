#include "passes/graph/dce.h"

#include "passes/rewrite.h"

namespace heddle::passes {

// The frame copies what is needed and nothing else.
ir::Function& dce(ir::Function& function) { return rewrite(function, {}); }

} // namespace heddle::passes
