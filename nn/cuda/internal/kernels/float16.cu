#define FLOAT16
#include "conv.h"
#include "planes.h"
