package cu

import "fmt"

// Result is the driver's CUresult.
type Result int32

// The results that there is advice for, and that of a driver that works.
const (
	success         Result = 0
	outOfMemory     Result = 2
	noDevice        Result = 100
	systemMismatch  Result = 803
	compatForbidden Result = 804
	invalidPTX      Result = 218
	newerPTX        Result = 222
	uncorrectable   Result = 214
	illegalAddress  Result = 700
	launchTimeout   Result = 702
	assertion       Result = 710
	stackError      Result = 714
	illegalInst     Result = 715
	misaligned      Result = 716
	invalidPC       Result = 718
	launchFailed    Result = 719
	unavailable     Result = 46
)

// Error is a call of the driver that failed.
type Error struct {
	Call   string // such as "cuMemAlloc_v2"
	Result Result
	Name   string // such as "CUDA_ERROR_OUT_OF_MEMORY"
	Text   string // the driver's description
}

func (e *Error) Error() string {
	return fmt.Sprintf("cuda: %s: %s (%s, %d)%s", e.Call, e.Text, e.Name, e.Result, e.fix())
}

// fix is what may be done about it, as the end of a sentence.
func (e *Error) fix() string {
	switch e.Result {
	case noDevice:
		return "; see that nvidia-smi lists a GPU and CUDA_VISIBLE_DEVICES does not hide it, or use --device cpu"
	case systemMismatch, compatForbidden:
		return "; the driver's library and its kernel module differ: update both, or restart the machine"
	}
	if e.OutOfMemory() {
		return "; free some of the GPU's memory, compute with kernel float16, or use --device cpu"
	}
	switch e.Result {
	case invalidPTX, newerPTX:
		return "; update the NVIDIA driver, or use --device cpu"
	case uncorrectable, unavailable:
		return "; the GPU is lost: see what nvidia-smi says of it, restart this process, or use --device cpu"
	case illegalAddress, misaligned, illegalInst, invalidPC, stackError, launchFailed, assertion:
		return "; a kernel went wrong, and this process can use the GPU no longer: report it with what nvidia-smi shows, " +
			"restart, or use --device cpu"
	case launchTimeout:
		return "; a kernel was stopped as it took too long: use a GPU that drives no display, or --device cpu"
	}
	return ""
}

// OutOfMemory reports whether it is memory that was missing.
func (e *Error) OutOfMemory() bool { return e.Result == outOfMemory }
