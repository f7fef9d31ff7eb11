/* A CUDA driver that refuses nearly everything: torch looks these functions up when it starts.
 *
 * FAKE_GPU_DRIVER (13000 unless set) is the newest CUDA that it knows, as it counts. */
#include <stdlib.h>

#define REFUSES(name) \
    int name(void) { return 999; }

REFUSES(cuCtxGetCurrent)
REFUSES(cuCtxSetCurrent)
REFUSES(cuDeviceGet)
REFUSES(cuDeviceGetAttribute)
REFUSES(cuDevicePrimaryCtxRetain)
REFUSES(cuFuncGetAttribute)
REFUSES(cuFuncSetAttribute)
REFUSES(cuFuncSetCacheConfig)
REFUSES(cuGetErrorString)
REFUSES(cuInit)
REFUSES(cuLaunchCooperativeKernel)
REFUSES(cuLaunchKernel)
REFUSES(cuLinkAddData_v2)
REFUSES(cuLinkComplete)
REFUSES(cuLinkCreate_v2)
REFUSES(cuModuleGetFunction)
REFUSES(cuModuleLoad)
REFUSES(cuModuleLoadData)
REFUSES(cuModuleLoadDataEx)
REFUSES(cuModuleUnload)
REFUSES(cuOccupancyMaxActiveBlocksPerMultiprocessor)
REFUSES(cuPointerGetAttribute)
REFUSES(cuTensorMapEncodeTiled)

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    if (flags) *flags = 0;
    if (active) *active = 0;
    return 0;
}

int cuDriverGetVersion(int *version) {
    const char *text = getenv("FAKE_GPU_DRIVER");
    *version = text ? atoi(text) : 13000;
    return 0;
}
