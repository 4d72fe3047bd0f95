package oauth

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestStreams_aFullProcessRefusesUntilOneLeaves(t *testing.T) {
	t.Parallel()
	s := newStreams()
	var last *stream
	for range maxStreams {
		var err error
		if last, err = s.add(identity.NewID()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.add(identity.NewID()); identity.KindOf(err) != identity.Unavailable {
		t.Errorf("one too many: %v", err)
	}
	s.remove(last)
	if _, err := s.add(identity.NewID()); err != nil || s.count() != maxStreams {
		t.Errorf("after one left: %v, %d are open", err, s.count())
	}
}

func TestStreams_aFifthOfASessionTakesThePlaceOfTheOldest(t *testing.T) {
	t.Parallel()
	s, id := newStreams(), identity.NewID()
	var all []*stream
	for range maxPerSession + 1 {
		added, err := s.add(id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, added)
	}
	for i, one := range all {
		select {
		case <-one.replaced:
			if i != 0 {
				t.Errorf("stream %d had to go", i)
			}
		default:
			if i == 0 {
				t.Error("the oldest stayed")
			}
		}
	}
	for _, one := range all {
		s.remove(one)
	}
	if s.count() != 0 || len(s.of) != 0 {
		t.Errorf("%d streams of %d sessions are left", s.count(), len(s.of))
	}
}
