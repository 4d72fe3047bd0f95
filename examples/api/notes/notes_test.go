package notes

import (
	"fmt"
	"testing"
	"time"
)

func newAPI() *api { return &api{kept: map[string]map[string]Note{}} }

// Nobody fills the API for the others, and a note that is there may always be changed.
func TestKeep_hasRoomForSoManyNotesAndPeople(t *testing.T) {
	t.Parallel()
	a := newAPI()
	for i := range maxNotes + 1 {
		if kept := a.keep("ada", Note{ID: fmt.Sprint(i), Text: "x", Changed: time.Unix(0, 0)}); kept != (i < maxNotes) {
			t.Fatalf("that note %d was kept is %v", i, kept)
		}
	}
	if !a.keep("ada", Note{ID: "0", Text: "y"}) || a.kept["ada"]["0"].Text != "y" {
		t.Error("a note that is there can't be changed")
	}
	for i := range maxPeople - 1 {
		a.keep(fmt.Sprint(i), Note{ID: "1", Text: "x"})
	}
	if a.keep("one too many", Note{ID: "1", Text: "x"}) || !a.keep("ada", Note{ID: "1", Text: "z"}) {
		t.Error("there is room for too many people, or for none that are there")
	}
}
