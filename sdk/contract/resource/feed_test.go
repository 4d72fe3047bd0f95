package resource

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// follower is one connection to the feed of the authority.
type follower struct {
	nonce, after string
	is           string
	position     int
	begun        int64 // iat of its first beat
}

// beatEvery is how often a stream shows that it lives.
const beatEvery = 200 * time.Millisecond

// tag names the log at a position. It must be called under the lock.
func (a *authority) tag(position int) string {
	if position == 0 {
		return ""
	}
	return fmt.Sprintf("%s%07d", a.tags, position)
}

// from is where a follower goes on; 0 where its cursor is none of ours. It must be called under the lock.
func (a *authority) from(after string) (position int, known bool) {
	text, tag, _ := strings.Cut(after, ".")
	position, err := strconv.Atoi(text)
	if err != nil || position > len(a.marks) || position == 0 || a.tag(position) != tag {
		return 0, false
	}
	return position, true
}

// batch is what a follower has not yet, signed; empty where it has all. It must be called under the lock.
func (a *authority) batch(f *follower, snapshot bool) string {
	to := min(len(a.marks), f.position+500)
	if to == f.position && !snapshot {
		return ""
	}
	text := a.signed("endings+jwt", map[string]any{
		"iss": a.url, "iat": a.now(), "from": f.position, "to": to, "tag": a.tag(to), "marks": append([]json.RawMessage{}, a.marks[f.position:to]...),
	})
	f.position = to
	return text
}

func (a *authority) now() int64 { return time.Now().Add(a.ahead).Unix() }

// beat is a sign of life, as good as the follower's is says. It must be called under the lock.
func (a *authority) beat(f *follower) string {
	iat, nonce := a.now(), f.nonce
	if f.begun == 0 {
		f.begun = iat
	}
	switch f.is {
	case "frozen":
		iat = f.begun
	case "replayed":
		nonce = "AAAAAAAAAAAAAAAAAAAAAAAA"
	}
	payload := map[string]any{"iss": a.url, "iat": iat, "nonce": nonce, "at": f.position, "tag": a.tag(f.position), "window": a.window}
	if a.acr != "" {
		payload["acr"] = a.acr
	}
	return a.signed("endings+jwt", payload)
}

// feed tells endings as docs/endings.md says.
func (a *authority) feed(w http.ResponseWriter, r *http.Request, f *follower) {
	a.mu.Lock()
	var known bool
	f.position, known = a.from(f.after)
	a.mu.Unlock()
	if strings.Contains(r.Header.Get("Accept"), "event-stream") {
		a.stream(w, r, f, !known)
		return
	}
	a.mu.Lock()
	changed, all := a.changed, f.position == len(a.marks) && known
	a.mu.Unlock()
	if all {
		select {
		case <-changed:
		case <-time.After(500 * time.Millisecond):
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	said := map[string]any{"endings": []string{}}
	if text := a.batch(f, !known); text != "" {
		said["endings"] = []string{text}
	}
	said["more"] = f.position < len(a.marks)
	said["beat"] = a.beat(f)
	a.answer(w, said)
}

// stream sends events until it is cut.
func (a *authority) stream(w http.ResponseWriter, r *http.Request, f *follower, snapshot bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, ": hello\n\n")
	out := http.NewResponseController(w)
	_ = out.Flush()
	a.mu.Lock()
	cuts := a.cuts
	a.mu.Unlock()
	next := time.Now()
	for r.Context().Err() == nil {
		a.mu.Lock()
		if a.cuts != cuts {
			a.mu.Unlock()
			return
		}
		f.is = a.is["feed"]
		changed := a.changed
		var lines string
		if text := a.batch(f, snapshot); text != "" {
			lines = fmt.Sprintf("id: %d.%s\nevent: endings\ndata: %s\n\n", f.position, a.tag(f.position), text)
			snapshot = false
		}
		if !time.Now().Before(next) {
			lines += "event: beat\ndata: " + a.beat(f) + "\n\n"
			next = time.Now().Add(beatEvery)
		}
		a.mu.Unlock()
		switch {
		case f.is == "silent":
			lines = ""
		case f.is == "truncated" && lines != "":
			_, _ = io.WriteString(w, lines[:len(lines)/2])
			return
		}
		_, _ = io.WriteString(w, lines)
		_ = out.Flush()
		a.rest(r.Context(), w, changed)
	}
}

// rest waits for something to tell, or for a line that the player has made.
func (a *authority) rest(ctx context.Context, w io.Writer, changed <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-changed:
	case line := <-a.sent:
		_, _ = io.WriteString(w, line)
	case <-time.After(20 * time.Millisecond):
	}
}

// flood sends 100 MB, as they are or packed.
func (a *authority) flood(w http.ResponseWriter, how string, events bool) {
	w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[events])
	start, block := []byte(`{"beat":"`), bytes.Repeat([]byte("A"), 1<<20)
	if events {
		start = []byte("event: beat\ndata: ")
	}
	if how == "bomb" {
		w.Header().Set("Content-Encoding", "gzip")
		start, block = packed(start), packed(block)
	}
	_, _ = w.Write(start)
	for range 100 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// packed is a whole member of a gzip file, which consists of any number of them (RFC 1952 §2.2): packing all 100 MB would take a busy
// machine longer than a follower waits.
func packed(content []byte) []byte {
	var to bytes.Buffer
	z := gzip.NewWriter(&to)
	_, _ = z.Write(content)
	_ = z.Close()
	return to.Bytes()
}
