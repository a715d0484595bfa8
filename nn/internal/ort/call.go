package ort

// call is a function's place in the table of the C API, OrtApi.
type call int

// The functions that are called. Later ones than the last are of no use here.
const (
	getErrorCode                  call = 1
	getErrorMessage               call = 2
	createEnv                     call = 3
	createSessionFromArray        call = 8
	createSessionOptions          call = 10
	setGraphOptimizationLevel     call = 23
	setIntraOpNumThreads          call = 24
	setInterOpNumThreads          call = 25
	createRunOptions              call = 39
	runOptionsSetTerminate        call = 46
	runOptionsUnsetTerminate      call = 47
	createTensorWithData          call = 49
	createMemoryInfo              call = 68
	allocatorAlloc                call = 75
	allocatorFree                 call = 76
	releaseEnv                    call = 92
	releaseStatus                 call = 93
	releaseMemoryInfo             call = 94
	releaseSession                call = 95
	releaseValue                  call = 96
	releaseRunOptions             call = 97
	releaseSessionOptions         call = 100
	getAvailableProviders         call = 125
	releaseAvailableProviders     call = 126
	addSessionConfigEntry         call = 130
	createAllocator               call = 131
	releaseAllocator              call = 132
	runWithBinding                call = 133
	createIoBinding               call = 134
	releaseIoBinding              call = 135
	bindInput                     call = 136
	bindOutput                    call = 137
	appendTensorRT                call = 170
	createTensorRTProviderOptions call = 171
	updateTensorRTProviderOptions call = 172
	releaseTensorRTOptions        call = 174
	appendCUDA                    call = 204
	createCUDAProviderOptions     call = 205
	updateCUDAProviderOptions     call = 206
	releaseCUDAProviderOptions    call = 208
	calls                         call = 209
)

// names are those of the calls whose failure is told.
var names = map[call]string{
	createEnv: "CreateEnv", createSessionFromArray: "CreateSessionFromArray",
	createSessionOptions: "CreateSessionOptions", setGraphOptimizationLevel: "SetSessionGraphOptimizationLevel",
	setIntraOpNumThreads: "SetIntraOpNumThreads", setInterOpNumThreads: "SetInterOpNumThreads",
	createRunOptions: "CreateRunOptions", runOptionsSetTerminate: "RunOptionsSetTerminate",
	runOptionsUnsetTerminate: "RunOptionsUnsetTerminate", createTensorWithData: "CreateTensorWithDataAsOrtValue",
	createMemoryInfo: "CreateMemoryInfo", allocatorAlloc: "AllocatorAlloc", allocatorFree: "AllocatorFree",
	getAvailableProviders: "GetAvailableProviders", releaseAvailableProviders: "ReleaseAvailableProviders",
	addSessionConfigEntry: "AddSessionConfigEntry", createAllocator: "CreateAllocator",
	runWithBinding: "RunWithBinding", createIoBinding: "CreateIoBinding", bindInput: "BindInput",
	bindOutput: "BindOutput", appendTensorRT: "SessionOptionsAppendExecutionProvider_TensorRT_V2",
	createTensorRTProviderOptions: "CreateTensorRTProviderOptions",
	updateTensorRTProviderOptions: "UpdateTensorRTProviderOptions",
	appendCUDA:                    "SessionOptionsAppendExecutionProvider_CUDA_V2",
	createCUDAProviderOptions:     "CreateCUDAProviderOptions", updateCUDAProviderOptions: "UpdateCUDAProviderOptions",
}

// oldest and newest are the versions of the C API, the second number of a release, that are asked for:
// 1.18 is the first whose CUDA provider knows every option that is set here, 1.24 the last whose table
// was read while this was written.
const (
	oldest = 18
	newest = 24
)
