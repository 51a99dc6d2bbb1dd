#pragma once
// What the example does to a photograph, as array code: denoise (a bilateral 3 x 3 stencil whose strength follows the picture's own
// noise), unsharp mask (a separable 5 x 5 blur of the luminance), tone mapping by the picture's log-average luminance
// (Reinhard et al., "Photographic tone reproduction for digital images", 2002), and a stretch to its own range.

#include <heddle/heddle.h>

namespace photo {

/// u8[height, width, 3] to the same.
heddle::Array develop(heddle::Array picture);

} // namespace photo
