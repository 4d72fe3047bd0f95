package oauth

import (
	"errors"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func heldBy(session identity.ID) identity.Held { return identity.Held{SessionID: session, JTI: "jti"} }

func TestStreams_aPersonHasNoMoreThanTheirShare(t *testing.T) {
	t.Parallel()
	s, user := newStreams(), identity.NewID()
	session := identity.NewID()
	for i := range maxPerPerson {
		if i%maxPerSession == 0 {
			session = identity.NewID()
		}
		if _, err := s.add(user, heldBy(session), ""); err != nil {
			t.Fatal(i, err)
		}
	}
	_, err := s.add(user, heldBy(identity.NewID()), "")
	if refused, ok := errors.AsType[*identity.Error](err); !ok || refused.Kind != identity.Throttled || refused.Wait == 0 {
		t.Errorf("one too many: %v", err)
	}
	if _, err := s.add(identity.NewID(), heldBy(identity.NewID()), ""); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	if s.refused() != 1 {
		t.Errorf("%d are counted as refused", s.refused())
	}
	again, err := s.add(user, heldBy(session), "") // in the place of a dead one of the same Session
	if err != nil || len(s.byUser[user]) != maxPerPerson {
		t.Errorf("a phone that changed networks: %v, %d streams", err, len(s.byUser[user]))
	}
	s.remove(again)
	if _, err := s.add(user, heldBy(identity.NewID()), ""); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

func TestStreams_aFullProcessRefusesUntilOneLeaves(t *testing.T) {
	t.Parallel()
	s := newStreams()
	var last *stream
	for range maxStreams {
		var err error
		if last, err = s.add(identity.NewID(), heldBy(identity.NewID()), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.add(identity.NewID(), heldBy(identity.NewID()), ""); identity.KindOf(err) != identity.Busy {
		t.Errorf("one too many: %v", err)
	}
	s.remove(last)
	if _, err := s.add(identity.NewID(), heldBy(identity.NewID()), ""); err != nil || s.count() != maxStreams {
		t.Errorf("after one left: %v, %d are open", err, s.count())
	}
}

func TestStreams_aFifthOfASessionTakesThePlaceOfTheOldest(t *testing.T) {
	t.Parallel()
	s, id := newStreams(), identity.NewID()
	var all []*stream
	for range maxPerSession + 1 {
		added, err := s.add(identity.ID{}, heldBy(id), "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, added)
	}
	for i, one := range all {
		select {
		case <-one.over:
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
	if s.count() != 0 || len(s.of)+len(s.byUser) != 0 {
		t.Errorf("%d streams of %d sessions are left", s.count(), len(s.of))
	}
}
