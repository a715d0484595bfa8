//go:build (linux || darwin) && (amd64 || arm64)

package ort

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// A Session is a network that is ready to run. Runs take turns.
type Session struct {
	lib     *Library
	opt     Options
	turn    chan struct{} // holds a token while nobody runs
	handles               // nothing of them is used without the token

	tensors  []Tensor // the input, then the outputs
	rooms    []room   // the same
	bindings map[binding]uintptr
}

// handles are the library's.
type handles struct{ session, memory, allocator, run uintptr }

// room is memory of the library's for what goes in or comes out; none before it is wanted.
type room struct {
	at     unsafe.Pointer
	values []float32
}

// binding is a batch and which of the tensors go in or are wanted: for each a byte, 1 or 0.
type binding struct {
	images int
	wanted string
}

// NewSession prepares the network of an ONNX file's bytes, which are not needed afterwards.
func (l *Library) NewSession(model []byte, o Options) (*Session, error) {
	if len(model) == 0 || len(o.Outputs) == 0 {
		return nil, errors.New("onnxruntime: session: got no network, or none of its outputs")
	}
	s := &Session{lib: l, opt: o, turn: make(chan struct{}, 1), tensors: append([]Tensor{o.Input}, o.Outputs...),
		rooms: make([]room, 1+len(o.Outputs)), bindings: map[binding]uintptr{}}
	s.turn <- struct{}{}
	if err := s.create(model); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Session) create(model []byte) error {
	options, err := s.options()
	defer s.lib.release(releaseSessionOptions, &options)
	if err != nil {
		return err
	}
	err = s.lib.call(createSessionFromArray, s.lib.env, uintptr(unsafe.Pointer(&model[0])), uintptr(len(model)), options,
		uintptr(unsafe.Pointer(&s.session)))
	if err != nil {
		return err
	}
	if err := s.lib.call(createRunOptions, uintptr(unsafe.Pointer(&s.run))); err != nil {
		return err
	}
	err = s.hostMemory(s.opt.Provider.memory())
	if err != nil && s.opt.Provider != CPU { // it copies from other memory, too, more slowly
		err = s.hostMemory(hostMemory)
	}
	return err
}

// options makes what a session is created with.
func (s *Session) options() (options uintptr, err error) {
	l := s.lib
	if err := l.call(createSessionOptions, uintptr(unsafe.Pointer(&options))); err != nil {
		return 0, err
	}
	const allOptimizations = 99
	if err := errors.Join(l.call(setGraphOptimizationLevel, options, allOptimizations),
		l.call(setIntraOpNumThreads, options, uintptr(max(s.opt.Threads, 1))),
		l.call(setInterOpNumThreads, options, 1)); err != nil {
		return options, err
	}
	if s.opt.Provider == CPU {
		return options, nil
	}
	if s.opt.Provider == TensorRT {
		if err := l.append(options, tensorRTOptions, s.tensorRT()); err != nil {
			return options, err
		}
	}
	if err := l.append(options, cudaOptions, s.cuda()); err != nil { // of TensorRT for what that leaves over
		return options, err
	}
	key, value := cString("session.disable_cpu_ep_fallback"), cString("1")
	return options, l.call(addSessionConfigEntry, options, uintptr(unsafe.Pointer(key)), uintptr(unsafe.Pointer(value)))
}

// cuda is what the CUDA provider is told.
func (s *Session) cuda() [][2]string {
	tf32 := "0"
	if s.opt.TF32 {
		tf32 = "1"
	}
	return append([][2]string{
		{"device_id", strconv.Itoa(s.opt.Unit)},
		{"use_tf32", tf32},
		{"cudnn_conv_algo_search", "HEURISTIC"}, // EXHAUSTIVE tries all algorithms for each size of batch
		{"arena_extend_strategy", "kSameAsRequested"},
	}, s.opt.CUDA...)
}

// tensorRT is what the TensorRT provider is told: one engine for all batches.
func (s *Session) tensorRT() [][2]string {
	shape := func(n int) string {
		text := s.opt.Input.Name + ":" + strconv.Itoa(n)
		for _, d := range s.opt.Input.Shape {
			text += "x" + strconv.Itoa(d)
		}
		return text
	}
	half := "0"
	if s.opt.Half {
		half = "1"
	}
	return [][2]string{
		{"device_id", strconv.Itoa(s.opt.Unit)},
		{"trt_fp16_enable", half},
		{"trt_profile_min_shapes", shape(1)},
		{"trt_profile_opt_shapes", shape(max(s.opt.MaxBatch/4, 1))},
		{"trt_profile_max_shapes", shape(max(s.opt.MaxBatch, 1))},
	}
}

// providerOptions are the calls that make a provider's options, fill them, hand them over and release
// them.
type providerOptions struct{ create, update, append, release call }

var (
	cudaOptions = providerOptions{createCUDAProviderOptions, updateCUDAProviderOptions, appendCUDA,
		releaseCUDAProviderOptions}
	tensorRTOptions = providerOptions{createTensorRTProviderOptions, updateTensorRTProviderOptions, appendTensorRT,
		releaseTensorRTOptions}
)

// append adds a provider with these settings to a session's options.
func (l *Library) append(options uintptr, p providerOptions, settings [][2]string) error {
	var made uintptr
	defer l.release(p.release, &made)
	if err := l.call(p.create, uintptr(unsafe.Pointer(&made))); err != nil {
		return err
	}
	keys, values := make([]*byte, len(settings)), make([]*byte, len(settings))
	for i, s := range settings {
		keys[i], values[i] = cString(s[0]), cString(s[1])
	}
	err := l.call(p.update, made, uintptr(unsafe.Pointer(&keys[0])), uintptr(unsafe.Pointer(&values[0])),
		uintptr(len(settings)))
	runtime.KeepAlive(keys)
	runtime.KeepAlive(values)
	if err != nil {
		return err
	}
	return l.call(p.append, options, made)
}

// cString is s with the zero that ends a string of C's.
func cString(s string) *byte { return &append([]byte(s), 0)[0] }

// hostMemory takes memory of that name for what a run reads and writes.
func (s *Session) hostMemory(name string) error {
	s.lib.release(releaseMemoryInfo, &s.memory)
	const deviceAllocator, defaultMemory, cpuOutput = 0, 0, -1
	kind := defaultMemory
	if name != hostMemory {
		kind = cpuOutput
	}
	text := cString(name)
	if err := s.lib.call(createMemoryInfo, uintptr(unsafe.Pointer(text)), deviceAllocator, 0, uintptr(kind),
		uintptr(unsafe.Pointer(&s.memory))); err != nil {
		return err
	}
	return s.lib.call(createAllocator, s.session, s.memory, uintptr(unsafe.Pointer(&s.allocator)))
}

// Run computes n images: in holds n times the input, out[i] n times the i-th output, or nil where
// that is not wanted. It returns ctx.Err() soon after ctx ends.
func (s *Session) Run(ctx context.Context, n int, in []float32, out [][]float32) error {
	wanted := wantedOf(out)
	if !strings.Contains(wanted, "1") {
		return ctx.Err()
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return err
	}
	b := binding{n, "1" + wanted}
	if err := s.reserve(b); err != nil {
		return err
	}
	bound, err := s.bind(b)
	if err != nil {
		return err
	}
	copy(s.rooms[0].values, in)
	if err := s.compute(ctx, bound); err != nil {
		return err
	}
	for i, o := range out {
		copy(o, s.rooms[1+i].values)
	}
	return nil
}

// wantedOf has a byte for each output: 1 where there is room for it.
func wantedOf(out [][]float32) string {
	wanted := make([]byte, len(out))
	for i, o := range out {
		wanted[i] = '0'
		if o != nil {
			wanted[i] = '1'
		}
	}
	return string(wanted)
}

// compute runs the network on what is bound until it is done or ctx ends.
func (s *Session) compute(ctx context.Context, bound uintptr) error {
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { ended <- s.lib.call(runOptionsSetTerminate, s.run) })
	err := s.lib.call(runWithBinding, s.session, s.run, bound)
	if stop() {
		return err
	}
	if failed := errors.Join(<-ended, s.lib.call(runOptionsUnsetTerminate, s.run)); failed != nil {
		return failed
	}
	return ctx.Err()
}

// reserve makes room for all that goes in or is wanted. Where there was too little, everything is
// bound anew.
func (s *Session) reserve(b binding) error {
	for i, t := range s.tensors {
		r, count := &s.rooms[i], b.images*t.size()
		if b.wanted[i] == '0' || count <= len(r.values) {
			continue
		}
		if err := s.free(i); err != nil {
			return err
		}
		if err := s.lib.call(allocatorAlloc, s.allocator, uintptr(4*count), uintptr(unsafe.Pointer(&r.at))); err != nil {
			return fmt.Errorf("%d images of %q: %w", b.images, t.Name, err)
		}
		r.values = unsafe.Slice((*float32)(r.at), count)
	}
	return nil
}

// free gives back a tensor's room and what was bound.
func (s *Session) free(i int) error {
	for _, b := range s.bindings {
		s.lib.release(releaseIoBinding, &b)
	}
	clear(s.bindings)
	r := s.rooms[i]
	s.rooms[i] = room{}
	if r.at == nil {
		return nil
	}
	return s.lib.call(allocatorFree, s.allocator, uintptr(r.at))
}

// bind binds the input and the outputs that are wanted to their rooms, once for each size of batch.
func (s *Session) bind(b binding) (bound uintptr, err error) {
	if bound, ok := s.bindings[b]; ok {
		return bound, nil
	}
	if err := s.lib.call(createIoBinding, s.session, uintptr(unsafe.Pointer(&bound))); err != nil {
		return 0, err
	}
	for i, t := range s.tensors {
		if b.wanted[i] == '0' {
			continue
		}
		to := bindOutput
		if i == 0 {
			to = bindInput
		}
		if err := s.bindTensor(to, bound, i, b.images); err != nil {
			s.lib.release(releaseIoBinding, &bound)
			return 0, fmt.Errorf("%q: %w", t.Name, err)
		}
	}
	s.bindings[b] = bound
	return bound, nil
}

// bindTensor binds the i-th tensor's room for so many images.
func (s *Session) bindTensor(to call, bound uintptr, i, images int) error {
	const float = 1
	t := s.tensors[i]
	shape := []int64{int64(images)}
	for _, d := range t.Shape {
		shape = append(shape, int64(d))
	}
	var value uintptr // which the binding keeps for itself
	defer s.lib.release(releaseValue, &value)
	err := s.lib.call(createTensorWithData, s.memory, uintptr(s.rooms[i].at), uintptr(4*images*t.size()),
		uintptr(unsafe.Pointer(&shape[0])), uintptr(len(shape)), float, uintptr(unsafe.Pointer(&value)))
	if err != nil {
		return err
	}
	name := cString(t.Name)
	return s.lib.call(to, bound, uintptr(unsafe.Pointer(name)), value)
}

// Close releases everything; no Run is under way or follows.
func (s *Session) Close() error {
	var err error
	for i := range s.rooms {
		err = errors.Join(err, s.free(i))
	}
	s.lib.release(releaseAllocator, &s.allocator)
	s.lib.release(releaseMemoryInfo, &s.memory)
	s.lib.release(releaseRunOptions, &s.run)
	s.lib.release(releaseSession, &s.session)
	return err
}
