package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
)

// statusError is an error that knows the status it is answered with.
type statusError struct {
	code  int
	msg   string
	retry time.Duration // for Retry-After; 0 means none
}

func (e *statusError) Error() string { return e.msg }

func fail(code int, format string, args ...any) *statusError {
	return &statusError{code: code, msg: fmt.Sprintf(format, args...)}
}

// busy is the answer of a server that will take the request a little later.
func busy(text string) *statusError {
	return &statusError{code: http.StatusServiceUnavailable, msg: text, retry: time.Second}
}

// asStatus gives every error the status that the package documents. What a caller may not see (a
// failure of ours) keeps its text for the log only.
func asStatus(err error) *statusError {
	var status *statusError
	if errors.As(err, &status) {
		return status
	}
	var tooLarge *picture.TooLargeError
	var damaged *picture.DecodeError
	var maxBytes *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fail(http.StatusRequestEntityTooLarge, "%v", err)
	case errors.As(err, &maxBytes):
		return fail(http.StatusRequestEntityTooLarge, "the body is larger than the limit of %d bytes", maxBytes.Limit)
	case errors.Is(err, picture.ErrUnsupported):
		return fail(http.StatusUnsupportedMediaType, "%v", err)
	case errors.As(err, &damaged):
		return fail(http.StatusBadRequest, "%v", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fail(http.StatusGatewayTimeout, "the answer was not ready within the request's deadline")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(http.StatusRequestTimeout, "the body did not arrive within the request's deadline")
	case errors.Is(err, context.Canceled):
		return fail(statusClientClosed, "the client went away before the answer was ready")
	}
	return fail(http.StatusInternalServerError, "the server could not answer this request; its log says why")
}

// statusClientClosed is what the log and the metrics call a request whose client left; nobody
// receives it.
const statusClientClosed = 499
