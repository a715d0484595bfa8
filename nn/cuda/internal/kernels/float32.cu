#define FLOAT32
#include "conv.h"
#include "planes.h"
#include "head.h"
