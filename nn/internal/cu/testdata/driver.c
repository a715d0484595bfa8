// A library with the calls of package cu and no GPU behind them. Arguments are
// checked; stand_in sets what it pretends.
#include <string.h>

static int count = 2, version = 12040, failing = -1, started;

void stand_in(int gpus, int cuda, int call) {
  count = gpus, version = cuda, failing = call, started = 0;
}

enum { Init, Version, Name, String, Count, Get, DeviceName, Attribute, Memory };

#define CALL(n, valid)                                                         \
  if (failing == n)                                                            \
    return 999;                                                                \
  if (n > String && !started)                                                  \
    return 3;                                                                  \
  if (!(valid))                                                                \
    return 1

int cuInit(unsigned flags) {
  CALL(Init, flags == 0);
  started = 1;
  return 0;
}

int cuDriverGetVersion(int *v) {
  CALL(Version, v);
  *v = version;
  return 0;
}

int cuGetErrorName(int r, const char **s) {
  CALL(Name, s);
  *s = r == 999 ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR_OTHER";
  return 0;
}

int cuGetErrorString(int r, const char **s) {
  CALL(String, s);
  *s = r == 999 ? "unknown error" : "some other error";
  return 0;
}

int cuDeviceGetCount(int *n) {
  CALL(Count, n);
  *n = count;
  return 0;
}

int cuDeviceGet(int *d, int ordinal) {
  CALL(Get, d && ordinal >= 0 && ordinal < count);
  *d = ordinal + 40;
  return 0;
}

static int known(int d) { return d >= 40 && d < 40 + count; }

int cuDeviceGetName(char *name, int len, int d) {
  CALL(DeviceName, name && len > 16 && known(d));
  strcpy(name, "Stand-in 0");
  name[9] += d - 40;
  return 0;
}

int cuDeviceGetAttribute(int *v, int attribute, int d) {
  CALL(Attribute, v && known(d));
  *v = attribute == 16 ? 132 : attribute == 75 ? 9 : attribute == 76 ? 1 : -1;
  return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int d) {
  CALL(Memory, bytes && known(d));
  *bytes = 5000000000;
  return 0;
}

// What computes is not called here.
#define UNUSED(name)                                                           \
  int name(void) { return 801; }

UNUSED(cuDevicePrimaryCtxRetain)
UNUSED(cuDevicePrimaryCtxRelease_v2)
UNUSED(cuCtxSetCurrent)
UNUSED(cuModuleLoadData)
UNUSED(cuModuleUnload)
UNUSED(cuModuleGetFunction)
UNUSED(cuMemAlloc_v2)
UNUSED(cuMemFree_v2)
UNUSED(cuMemAllocHost_v2)
UNUSED(cuMemFreeHost)
UNUSED(cuMemcpyHtoDAsync_v2)
UNUSED(cuMemcpyDtoHAsync_v2)
UNUSED(cuStreamCreate)
UNUSED(cuStreamDestroy_v2)
UNUSED(cuStreamSynchronize)
UNUSED(cuStreamBeginCapture_v2)
UNUSED(cuStreamEndCapture)
UNUSED(cuLaunchKernel)
UNUSED(cuGraphInstantiateWithFlags)
UNUSED(cuGraphLaunch)
UNUSED(cuGraphExecDestroy)
UNUSED(cuGraphDestroy)
