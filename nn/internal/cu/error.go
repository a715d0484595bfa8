package cu

import "fmt"

// Result is the driver's CUresult.
type Result int32

// The results that there is advice for, and that of a driver that works.
const (
	success         Result = 0
	noDevice        Result = 100
	systemMismatch  Result = 803
	compatForbidden Result = 804
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
	return ""
}
