package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// incident is something that was planted, and which rules should find it.
type incident struct {
	kind     string
	rules    []string
	also     []string    // that may find it, too
	user     identity.ID // whom it concerns; zero: many
	takeover bool
	from, to time.Time
}

// plot is a kind of incident: what is done at its time.
type plot struct {
	kind     string
	rules    []string
	also     []string
	takeover bool
	victim   bool // it is about one person
	dormant  bool // who has not been there for long
	lasts    time.Duration
	play     func(t *town, ctx context.Context, v *citizen, n int) error
}

// plots are all kinds. Those of many come first.
var plots = []plot{
	{kind: "password list", rules: []string{"passwords-across-people"}, also: []string{"passwords-everywhere"}, play: (*town).guessHere},
	{kind: "password list from everywhere", rules: []string{"passwords-everywhere"}, play: (*town).guessEverywhere},
	{kind: "copied store of tokens", rules: []string{"reuse-cluster", "forced-signins-off-normal"}, play: (*town).copyTokens},
	{kind: "clients registered", rules: []string{"registrations-of-a-network"}, play: (*town).registerClients},
	{kind: "clients registered from everywhere", rules: []string{"registration-flood"}, play: (*town).flood},
	{kind: "accounts made", rules: []string{"accounts-of-a-network"}, play: (*town).makeAccounts},
	{kind: "back channel down", rules: []string{"back-channel-down"}, play: (*town).breakChannel},
	{kind: "a version loses answers", rules: []string{"version-loses-answers"}, lasts: 24 * time.Hour, play: (*town).shipBadVersion},

	{kind: "password from abroad", rules: []string{"new-country"}, takeover: true, victim: true, play: (*town).fromAbroad},
	{kind: "password, at once far away", rules: []string{"impossible-travel"}, takeover: true, victim: true, play: (*town).tooFast},
	{kind: "password from next door", rules: []string{"new-network"}, takeover: true, victim: true, play: (*town).fromNextDoor},
	{kind: "forgotten account", rules: []string{"dormant-account"}, takeover: true, victim: true, dormant: true, play: (*town).fromAbroad},
	{kind: "password and guessed codes", rules: []string{"many-wrong-codes"}, takeover: true, victim: true, play: (*town).guessCodes},
	{kind: "mailbox taken", rules: []string{"recovery-out-of-pattern"}, takeover: true, victim: true, play: (*town).recover},
	{kind: "token on another platform", rules: []string{"platform-changed"}, takeover: true, victim: true, play: (*town).copyToPhone},
	{
		kind: "token in a script", rules: []string{"platform-of-a-script"}, takeover: true, victim: true, lasts: 48 * time.Hour,
		play: (*town).copyToScript,
	},
}

// plant plans an incident.
func (t *town) plant(p plot, v *citizen, n int, wait time.Duration) {
	t.after(wait, func(ctx context.Context) error {
		i := &incident{kind: p.kind, rules: p.rules, also: p.also, takeover: p.takeover, from: t.clock.now().Add(-time.Minute)}
		i.to = i.from.Add(max(p.lasts, 3*time.Hour))
		if p.victim {
			i.user = v.user.ID
		}
		t.incidents = append(t.incidents, i)
		return p.play(t, ctx, v, n)
	})
}

// elsewhere is a country that somebody is not from, and that nobody has a VPN in for them.
func elsewhere(c *citizen) int { return (c.country + 3) % len(lands) }

func (t *town) guessHere(ctx context.Context, _ *citizen, n int) error {
	for i := range 15 {
		if err := t.mistake(ctx, t.folk[(n*15+i)%len(t.folk)], at(n%len(lands), far, 7), false); err != nil {
			return err
		}
	}
	return nil
}

func (t *town) guessEverywhere(ctx context.Context, _ *citizen, n int) error {
	for i := range min(60, len(t.folk)) {
		if err := t.mistake(ctx, t.folk[i], at(i%len(lands), far+1+i, n), false); err != nil {
			return err
		}
	}
	return nil
}

// copyTokens lets a thief use what was in a store of tokens: ten people's, each after the phone has gone on.
func (t *town) copyTokens(ctx context.Context, _ *citizen, n int) error {
	used := 0
	for i := range t.folk {
		c := t.folk[(n*12+i)%len(t.folk)]
		if c.phone.before == "" || c.phone.gone || used == 14 {
			continue
		}
		old := c.phone.before
		for range 2 {
			if err := t.refresh(ctx, c); err != nil {
				return err
			}
		}
		if _, err := t.present(ctx, old, c.phone.agent, c.phone.version); err != nil {
			return err
		}
		c.phone.gone = true
		used++
	}
	return nil
}

// registerClients writes the Event of each, as registering does.
func (t *town) registerClients(ctx context.Context, _ *citizen, n int) error {
	for i := range 25 {
		e := identity.Event{Kind: identity.ClientRegistered, ClientID: fmt.Sprintf("stranger-%d-%d", n, i), Address: at(n%len(lands), far, 8)}
		if err := t.tell(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// flood writes the Event of each, from a network of its own.
func (t *town) flood(ctx context.Context, _ *citizen, n int) error {
	for i := range 320 {
		e := identity.Event{Kind: identity.ClientRegistered, ClientID: fmt.Sprintf("flood-%d-%d", n, i), Address: at(i%len(lands), far+i/len(lands), n)}
		if err := t.tell(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// makeAccounts writes the Event of each, as signing up does.
func (t *town) makeAccounts(ctx context.Context, _ *citizen, n int) error {
	for range 35 {
		e := identity.Event{Kind: identity.UserCreated, UserID: identity.NewID(), Address: at(n%len(lands), far, 9)}
		if err := t.tell(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (t *town) breakChannel(_ context.Context, _ *citizen, n int) error {
	for range 6 {
		t.watch.Delivered(identity.LogoutDelivery, fmt.Sprint("app-", n), t.clock.now(), false)
	}
	t.after(2*time.Hour, func(context.Context) error {
		t.watch.Delivered(identity.LogoutDelivery, fmt.Sprint("app-", n), t.clock.now(), true)
		return nil
	})
	return nil
}

// shipBadVersion has all phones of one version lose answers for a day. Where days follow each other, so do the incidents.
func (t *town) shipBadVersion(context.Context, *citizen, int) error {
	t.badUntil = t.clock.elapsed() + 24*time.Hour
	return nil
}

func (t *town) thief(ctx context.Context, v *citizen, from string) error {
	_, err := t.enter(ctx, visit{who: v, from: from})
	return err
}

func (t *town) fromAbroad(ctx context.Context, v *citizen, n int) error {
	return t.thief(ctx, v, at(elsewhere(v), far, n))
}

// tooFast comes from a country where the person has been, half an hour after they signed in at home.
func (t *town) tooFast(ctx context.Context, v *citizen, n int) error {
	land := elsewhere(v)
	if err := t.thief(ctx, v, v.home); err != nil {
		return err
	}
	t.after(30*time.Minute, func(ctx context.Context) error { return t.thief(ctx, v, at(land, far, n)) })
	return nil
}

func (t *town) fromNextDoor(ctx context.Context, v *citizen, n int) error {
	return t.thief(ctx, v, at(v.country, far, n))
}

func (t *town) guessCodes(ctx context.Context, v *citizen, n int) error {
	from := at(v.country, far, n)
	if err := t.thief(ctx, v, from); err != nil {
		return err
	}
	for i := range 40 {
		t.after(time.Duration(i)*4*time.Minute, func(ctx context.Context) error {
			err := t.totp.Verify(ctx, v.user, fmt.Sprintf("%06d", i), identity.Seen{Address: from})
			if kind := identity.KindOf(err); err == nil || kind == identity.BadLogin || kind == identity.Throttled || kind == identity.NotFound {
				return nil
			}
			return err
		})
	}
	return nil
}

// recover writes the Events of a password that is reset by mail and an address that is changed, as doing so does.
func (t *town) recover(ctx context.Context, v *citizen, n int) error {
	from := at(v.country, far, n)
	for _, kind := range []identity.EventKind{identity.PasswordReset, identity.EmailChanged} {
		if err := t.tell(ctx, identity.Event{Kind: kind, UserID: v.user.ID, Address: from}); err != nil {
			return err
		}
	}
	return nil
}

func (t *town) tell(ctx context.Context, e identity.Event) error {
	e.ID, e.At = identity.NewID(), t.clock.now()
	return t.db.AddEvent(ctx, e)
}

func (t *town) copyToPhone(ctx context.Context, v *citizen, _ int) error {
	_, err := t.present(ctx, v.phone.token, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", v.phone.version)
	return err
}

// copyToScript is found by the rotation: the owner's next refresh but one ends the Session.
func (t *town) copyToScript(ctx context.Context, v *citizen, _ int) error {
	token := v.phone.token
	for range 2 {
		next, err := t.present(ctx, token, "curl/8.10", v.phone.version)
		if err != nil {
			return err
		}
		token = next
	}
	return nil
}
