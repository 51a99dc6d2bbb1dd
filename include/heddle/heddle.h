#pragma once
// Heddle: C++ functions over arrays, compiled. This header is all a program needs.

#include <heddle/array.h>
#include <heddle/compile.h>
#include <heddle/context.h>
#include <heddle/custom.h>
#include <heddle/error.h>
#include <heddle/functions.h>
#include <heddle/materialized.h>
#include <heddle/ops.h>
#include <heddle/random.h>
#include <heddle/sendable.h>
#include <heddle/synchronized.h>
#include <heddle/thread.h>
#include <heddle/worker.h>
