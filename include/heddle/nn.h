#pragma once
// Modules, layers, models: <heddle/nn/...>. Not part of <heddle/heddle.h>.

#include <heddle/nn/kv_cache.h>
#include <heddle/nn/layers.h>
#include <heddle/nn/materialized_module.h>
#include <heddle/nn/model.h>
#include <heddle/nn/model_context.h>
#include <heddle/nn/module.h>
#include <heddle/nn/parameter.h>
#include <heddle/nn/pooling.h>
#include <heddle/nn/transformer.h>
