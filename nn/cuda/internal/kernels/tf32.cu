#define TF32
#include "conv.h"
