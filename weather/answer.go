package weather

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// acts are what each fault does.
var acts = map[Do]func(*Proxy, *visit){
	Pass:           (*Proxy).pass,
	DropRequest:    (*Proxy).dropRequest,
	SilentRequest:  (*Proxy).silentRequest,
	DropAnswer:     (*Proxy).dropAnswer,
	SilentAnswer:   (*Proxy).silentAnswer,
	HalfAnswer:     (*Proxy).halfAnswer,
	Truncated:      (*Proxy).truncated,
	Cut:            (*Proxy).cut,
	Delay:          (*Proxy).delay,
	DelayAnswer:    (*Proxy).delayAnswer,
	Twice:          (*Proxy).twice,
	LateDuplicate:  (*Proxy).lateDuplicate,
	LateRequest:    (*Proxy).lateRequest,
	BadGateway:     (*Proxy).badGateway,
	Unavailable:    (*Proxy).unavailable,
	TooMany:        (*Proxy).tooMany,
	Portal:         (*Proxy).portal,
	PortalRedirect: (*Proxy).portalRedirect,
	Garbage:        (*Proxy).garbage,
	Redirect:       (*Proxy).redirect,
	WrongType:      (*Proxy).wrongType,
	GzipBomb:       (*Proxy).gzipBomb,
	Huge:           (*Proxy).huge,
	Answer:         (*Proxy).answerAsTold,
	Offline:        (*Proxy).offline,
}

// maxAnswer is how much of an answer is kept where it is not just passed on.
const maxAnswer = 1 << 20

// answer is the server's, read whole. Of a stream it has the head alone.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// commit hands a request to the server whether or not the client still waits. Nothing comes where the server can't be reached;
// the client was told.
func (p *Proxy) commit(v *visit) (answer, bool) {
	ctx, stop := p.detached()
	defer stop()
	resp, err := p.deliver(ctx, v, false)
	if err != nil {
		p.unreachable(v, err)
		return answer{}, false
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if !stream(resp) {
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	}
	if err != nil {
		p.unreachable(v, err)
		return answer{}, false
	}
	return a, true
}

func stream(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}

// unreachable is the answer where there is no server.
func (p *Proxy) unreachable(v *visit, err error) {
	if errors.Is(err, context.Canceled) {
		return // the client left, or the weather is over
	}
	p.note(v, "upstream_down", 0)
	p.page(v, http.StatusBadGateway, "The weather proxy can't reach its upstream.")
}

// head begins the answer to the client.
func (p *Proxy) head(v *visit, status int, header http.Header) {
	to := v.w.Header()
	for name, values := range header {
		to[name] = values
	}
	p.journal.answered(v, status)
	v.w.WriteHeader(status)
}

// send gives the client an answer that was read whole.
func (p *Proxy) send(v *visit, a answer) {
	if v.r.Method != http.MethodHead && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	p.head(v, a.status, a.header)
	_, _ = v.w.Write(a.body)
}

// pass hands the request on and the answer back, as it comes. A stream ends with the profile's phase.
func (p *Proxy) pass(v *visit) { p.flow(v, p.plan.calm(v.device, v.r.URL.Path, time.Now()), true) }

func (p *Proxy) cut(v *visit) { p.flow(v, v.fault.after(), false) }

// flow passes an answer for at most so long, if it is a stream or not onlyStreams. 0 is for ever.
func (p *Proxy) flow(v *visit, d time.Duration, onlyStreams bool) {
	resp, err := p.deliver(v.r.Context(), v, false)
	if err != nil {
		p.unreachable(v, err)
		return
	}
	defer resp.Body.Close()
	var cut atomic.Bool
	if d > 0 && (stream(resp) || !onlyStreams) {
		t := time.AfterFunc(p.scaled(d), func() {
			cut.Store(true)
			_ = resp.Body.Close()
		})
		defer t.Stop()
	}
	p.head(v, resp.StatusCode, resp.Header)
	if pour(v.w, resp.Body) {
		return
	}
	if cut.Load() {
		p.note(v, Cut, resp.StatusCode)
	}
	hangUp(v, false) // or it would look as if that had been all
}

// pour copies without waiting for more, and reports whether all of it came.
func pour(to http.ResponseWriter, from io.Reader) bool {
	control, chunk := http.NewResponseController(to), make([]byte, 32<<10)
	_ = control.Flush()
	for {
		n, err := from.Read(chunk)
		if n > 0 {
			if _, gone := to.Write(chunk[:n]); gone != nil {
				return false
			}
			_ = control.Flush()
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// hangUp ends the connection: by a reset, or as if all had been said.
func hangUp(v *visit, hard bool) {
	control := http.NewResponseController(v.w)
	if !hard {
		_ = control.Flush()
	}
	c, _, err := control.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if hard {
		reset(c)
		return
	}
	_ = c.Close()
}

func (p *Proxy) dropRequest(v *visit) {
	p.tell(v, 0)
	hangUp(v, true)
}

func (p *Proxy) silentRequest(v *visit) {
	p.tell(v, 0)
	p.sleep(v.r.Context(), v.fault.after())
	hangUp(v, true)
}

func (p *Proxy) dropAnswer(v *visit) {
	if a, ok := p.commit(v); ok {
		p.tell(v, a.status)
		hangUp(v, true)
	}
}

func (p *Proxy) silentAnswer(v *visit) {
	if a, ok := p.commit(v); ok {
		p.tell(v, a.status)
		p.sleep(v.r.Context(), v.fault.after())
		hangUp(v, true)
	}
}

func (p *Proxy) halfAnswer(v *visit) {
	a, ok := p.commit(v)
	if !ok {
		return
	}
	p.tell(v, a.status)
	if len(a.body) > 1 {
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
		p.head(v, a.status, a.header)
		_, _ = v.w.Write(a.body[:len(a.body)/2])
	}
	hangUp(v, len(a.body) < 2)
}

func (p *Proxy) truncated(v *visit) {
	if a, ok := p.commit(v); ok {
		p.tell(v, a.status)
		a.body = a.body[:len(a.body)/2]
		p.send(v, a)
	}
}

func (p *Proxy) wrongType(v *visit) {
	if a, ok := p.commit(v); ok {
		p.tell(v, a.status)
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		p.send(v, a)
	}
}

// delay is a slow way there. What is on it arrives, even where its sender has given up.
func (p *Proxy) delay(v *visit) {
	p.tell(v, 0)
	switch {
	case !p.sleep(p.over, v.fault.after()):
	case v.r.Context().Err() == nil:
		p.pass(v)
	default:
		p.commit(v)
	}
}

func (p *Proxy) delayAnswer(v *visit) {
	if a, ok := p.commit(v); ok {
		p.tell(v, a.status)
		p.sleep(v.r.Context(), v.fault.after())
		p.send(v, a)
	}
}

func (p *Proxy) twice(v *visit) {
	var second sync.WaitGroup
	second.Go(func() {
		ctx, stop := p.detached()
		defer stop()
		if resp, err := p.deliver(ctx, v, false); err == nil {
			_ = resp.Body.Close()
		}
	})
	a, ok := p.commit(v)
	second.Wait()
	if ok {
		p.tell(v, a.status)
		p.send(v, a)
	}
}

func (p *Proxy) lateDuplicate(v *visit) {
	a, ok := p.commit(v)
	if !ok {
		return
	}
	p.later(v) // before the client can send its next request, which this one may wait for
	p.send(v, a)
}

func (p *Proxy) lateRequest(v *visit) {
	p.later(v)
	hangUp(v, true)
}

// garbage is what a plain client sees of a portal that breaks into TLS: an alert, handshake_failure.
func (p *Proxy) garbage(v *visit) {
	p.tell(v, 0)
	c, _, err := http.NewResponseController(v.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = c.Write([]byte{0x15, 3, 3, 0, 2, 2, 0x28})
	_ = c.Close()
}

// bomb is JSON that never gets to its point, 256 MiB of it in 256 KiB. It is put together from one packed MiB, which after
// another of the same reads the same: packing all would take a busy machine longer than a client waits.
var bomb = sync.OnceValue(func() []byte {
	const chunks, opening = 256, `{"access_token":"`
	var packed bytes.Buffer
	_, _ = packed.WriteString("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff") // RFC 1952 §2.3: deflate, nothing else told
	z, _ := flate.NewWriter(&packed, flate.DefaultCompression)
	chunk := bytes.Repeat([]byte("A"), 1<<20)
	pack := func(content []byte) []byte {
		before := packed.Len()
		_, _ = z.Write(content)
		_ = z.Flush()
		return packed.Bytes()[before:]
	}
	pack([]byte(opening))
	pack(chunk)
	_, _ = packed.Write(bytes.Repeat(pack(chunk), chunks-2))
	_ = z.Close()
	sum := crc32.ChecksumIEEE([]byte(opening))
	for range chunks {
		sum = crc32.Update(sum, crc32.IEEETable, chunk)
	}
	end := binary.LittleEndian.AppendUint32(packed.Bytes(), sum)
	return binary.LittleEndian.AppendUint32(end, uint32(len(opening)+chunks*len(chunk)))
})

func (p *Proxy) gzipBomb(v *visit) {
	p.tell(v, 0)
	p.send(v, answer{http.StatusOK, http.Header{"Content-Type": {jsonType}, "Content-Encoding": {"gzip"}}, bomb()})
}

func (p *Proxy) huge(v *visit) {
	p.tell(v, 0)
	const size, opening = 100_000_000, `{"access_token":"`
	p.head(v, http.StatusOK, http.Header{"Content-Type": {jsonType}, "Content-Length": {strconv.Itoa(size)}})
	_, _ = io.WriteString(v.w, opening)
	chunk := bytes.Repeat([]byte("A"), 64<<10)
	for left := size - len(opening); left > 0; left -= len(chunk) {
		if _, err := v.w.Write(chunk[:min(left, len(chunk))]); err != nil {
			return // the client has had enough
		}
	}
}

func (p *Proxy) answerAsTold(v *visit) {
	p.tell(v, 0)
	p.send(v, answer{cmp.Or(v.fault.Status, http.StatusOK), http.Header{"Content-Type": {jsonType}}, []byte(v.fault.Body)})
}

func (p *Proxy) offline(v *visit) {
	p.tell(v, 0)
	p.Offline(v.fault.after()) // this connection with all others
	hangUp(v, true)            // and where another server than ours has it
}

const jsonType = "application/json"
