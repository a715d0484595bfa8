#define BFLOAT16
#include "conv.h"
#include "planes.h"
