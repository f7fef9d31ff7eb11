/* A CUDA runtime with one GPU that computes nothing: what torch asks before it uses a device.
 *
 * FAKE_GPU_CAPABILITY (90 unless set) is ten times its compute capability, FAKE_GPU_DRIVER (13000)
 * the newest CUDA of its driver, as cudaDriverGetVersion counts. It is preloaded, so torch finds it
 * before its own. */
#include <stdlib.h>
#include <string.h>
#include "driver_types.h"

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cudaDriverGetVersion(int *version) {
    *version = number("FAKE_GPU_DRIVER", 13000);
    return 0;
}

int cudaGetDeviceCount(int *count) {
    *count = number("FAKE_GPU_DRIVER", 13000) >= 13000;
    return *count ? 0 : cudaErrorInsufficientDriver;
}

int cudaGetDevice(int *device) {
    *device = 0;
    return 0;
}

int cudaSetDevice(int device) { return 0; }

int cudaGetDeviceProperties(struct cudaDeviceProp *of, int device) {
    memset(of, 0, sizeof *of);
    strcpy(of->name, "NVIDIA Fake");
    of->major = number("FAKE_GPU_CAPABILITY", 90) / 10;
    of->minor = number("FAKE_GPU_CAPABILITY", 90) % 10;
    of->totalGlobalMem = 80ull << 30;
    of->warpSize = 32;
    of->multiProcessorCount = 132;
    of->maxThreadsPerBlock = 1024;
    of->maxThreadsPerMultiProcessor = 2048;
    of->regsPerMultiprocessor = 65536;
    of->sharedMemPerBlock = 49152;
    of->sharedMemPerBlockOptin = 232448;
    of->sharedMemPerMultiprocessor = 233472;
    of->maxGridSize[0] = 2147483647;
    of->maxGridSize[1] = of->maxGridSize[2] = 65535;
    return 0;
}

int cudaGetDeviceProperties_v2(struct cudaDeviceProp *of, int device) {
    return cudaGetDeviceProperties(of, device);
}

int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    *value = 1;
    return 0;
}

int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return 0;
}

int cudaStreamIsCapturing(void *stream, int *status) {
    *status = 0;
    return 0;
}

int cudaThreadExchangeStreamCaptureMode(int *mode) { return 0; }
