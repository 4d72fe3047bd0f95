package loopback

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEvents_hearsEachOneAndNoSignOfLife(t *testing.T) {
	t.Parallel()
	const stream = "retry: 1000\n\nid: a\nevent: ready\ndata: {}\n\n:\n\nevent: session.ended\ndata: {\"sid\":\"s: 1\"}\n\nevent: cut"
	var got []Event
	err := readEvents(bufio.NewScanner(strings.NewReader(stream)), func(e Event) error { got = append(got, e); return nil })
	want := []Event{{"a", "ready", "{}"}, {"", "session.ended", `{"sid":"s: 1"}`}}
	if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, ErrStreamClosed) {
		t.Errorf("%v: %s", err, diff)
	}
	enough := errors.New("enough")
	if err := readEvents(bufio.NewScanner(strings.NewReader(stream)), func(Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("told %v", err)
	}
}
