package serve

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// codingBytes is about what a decompressor holds besides what it gives.
const codingBytes = 64 << 10

// readCoded reads a body under its content coding. The body as sent and the body as it unpacks are
// bounded alike, and the unpacked one takes room as it grows.
func (s *Server) readCoded(c *gin.Context, held *ledger, coding string) ([]byte, error) {
	var open func(io.Reader) (io.Reader, error)
	switch coding {
	case "gzip", "x-gzip":
		open = openGzip
	case "deflate":
		open = openDeflate
	default:
		c.Header("Accept-Encoding", "gzip, deflate, identity")
		return nil, fail(http.StatusUnsupportedMediaType,
			"the body's content encoding is not supported; send it as it is, or as gzip or deflate")
	}
	limit := s.cfg.MaxBodyBytes
	if c.Request.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	if err := held.take(codingBytes); err != nil {
		return nil, err
	}
	defer held.give(codingBytes)
	sent := &noted{r: http.MaxBytesReader(c.Writer, c.Request.Body, limit)}
	var body []byte
	r, err := open(bufio.NewReader(sent))
	if err == nil {
		body, err = held.read(r, -1, limit)
	}
	var status *statusError
	switch {
	case sent.err != nil:
		return nil, bodyError(sent.err)
	case errors.As(err, &status):
		return nil, err
	case err != nil:
		return nil, badRequest("the body is not %s, or is damaged or cut off", coding)
	case int64(len(body)) > limit:
		return nil, fail(http.StatusRequestEntityTooLarge, "the body unpacks to more than the limit of %d bytes", limit)
	}
	return body, nil
}

// noted keeps the error of the body itself apart from those of its coding.
type noted struct {
	r   io.Reader
	err error
}

func (n *noted) Read(p []byte) (int, error) {
	got, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return got, err
}

func openGzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// openDeflate takes zlib's form, which the name stands for (RFC 9110), and the bare one that some
// senders mean by it.
func openDeflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}

// contentCoding is the request's, in lower case; "" where the body is as it is.
func contentCoding(r *http.Request) string {
	coding := strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ",")))
	if coding == "identity" {
		return ""
	}
	return coding
}
