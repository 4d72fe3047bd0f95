package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// causes play the rows of the table.
var causes = map[string]cause{
	"rp_logout":                  {first: managing, play: rpLogout},
	"rp_logout_elsewhere":        {play: rpLogoutElsewhere},
	"page_signout":               {play: pageSignOut},
	"app_signout":                {play: appSignOut()},
	"app_signout_device":         {first: managing, play: appSignOut("device", "true")},
	"refresh_revoked":            {before: renewed, play: refreshRevoked},
	"access_revoked":             {play: accessRevoked},
	"code_replayed":              {before: func(_ *testing.T, s *scene) { s.w.pass(21 * time.Second) }, play: codeReplayed},
	"reuse":                      {before: renewed, play: reused},
	"user_ends_one":              {play: endOne("tablet")},
	"user_ends_one_here":         {play: endOne("phone")},
	"user_ends_others":           {play: endOthers},
	"app_ends_sibling":           {first: managing, play: appEndsSibling},
	"not_me":                     {play: notMe},
	"password_changed":           {play: passwordChanged},
	"password_reset":             {play: passwordReset},
	"account_starts_clean":       {squatted: true, play: startsClean},
	"password_set":               {play: passwordSet},
	"factor_removed":             {play: factorRemoved},
	"factor_replaced":            {play: factorReplaced},
	"factor_removed_by_operator": {play: factorRemovedByOperator},
	"factor_added":               {bare: true, play: func(t *testing.T, s *scene) { s.ada.enrol(t) }},
	"email_changed":              {play: emailChanged},
	"email_set_by_operator": {play: operator(func(o identity.Operators, s *scene) error {
		return o.SetEmail(ctx, s.ada.user.ID, "new-"+s.ada.email, "mailbox lost")
	})},
	"email_confirmed_by_operator": {squatted: true, play: operator(func(o identity.Operators, s *scene) error {
		_, err := o.ConfirmEmail(ctx, s.ada.user.ID, "called back")
		return err
	})},
	"consent_withdrawn":          {play: consentWithdrawn},
	"user_locked":                {play: operator(func(o identity.Operators, s *scene) error { _, err := o.Lock(ctx, s.ada.user.ID); return err })},
	"user_unlocked":              {play: operator(lockAndUnlock)},
	"user_deleted":               {play: operator(func(o identity.Operators, s *scene) error { return o.DeleteUser(ctx, s.ada.user.ID) })},
	"too_many_sessions":          {play: tooManySessions},
	"unusual":                    {play: unusual},
	"operator_ends_one":          {play: operator(operatorEndsOne(false))},
	"operator_ends_device":       {play: operator(operatorEndsOne(true))},
	"operator_ends_all":          {play: operator(func(o identity.Operators, s *scene) error { _, err := o.EndAll(ctx, s.ada.user.ID); return err })},
	"client_deleted":             {play: operator(func(o identity.Operators, s *scene) error { return o.DeleteClient(ctx, s.first.client.ID) })},
	"client_disabled":            {play: operator(clientDisabled)},
	"client_credentials_changed": {first: confidential, play: newSecret},
	"client_secret_rotated":      {first: confidential, play: secretRotated},
	"client_changed":             {play: clientChanged(func(c *identity.Client) { c.Name = "Another name" })},
	"client_untrusted":           {first: trusted, play: clientChanged(func(c *identity.Client) { c.Trusted = false })},
	"other_person":               {play: otherPerson},
	"session_idle":               {lives: identity.Lifetimes{Idle: 45 * time.Minute}, play: passes(26 * time.Minute)},
	"session_absolute":           {lives: identity.Lifetimes{Absolute: 45 * time.Minute}, play: passes(26 * time.Minute)},
	"signin_idle":                {still: true, settings: []string{"signin_idle", "45m"}, play: passes(26 * time.Minute)},
	"signin_absolute": {
		settings: []string{"signin_idle", "45m", "signin_absolute", "45m"}, play: passes(26 * time.Minute),
	},
}

var ctx = identity.WithActor(context.Background(), "cli:termination")

func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func rpLogout(t *testing.T, s *scene) { s.page = s.phone.open(t, s.logoutOf("this")) }

func rpLogoutElsewhere(t *testing.T, s *scene) { s.page = newVisitor(t).open(t, s.logoutOf("this")) }

// logoutOf is where an app sends a browser to sign out.
func (s *scene) logoutOf(name string) string {
	return s.w.issuer + "/oauth2/logout?" + url.Values{"id_token_hint": {s.held[name].IDToken}}.Encode()
}

func pageSignOut(t *testing.T, s *scene) {
	s.page = s.phone.submit(t, sight{at: parsed(t, s.w.issuer+"/signout"), Document: blank(t)})
}

func appSignOut(pairs ...string) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		h := s.held["this"]
		if got := h.form(t, "/oauth2/signout", append(pairs, "refresh_token", h.RefreshToken)...); got.status != http.StatusOK {
			t.Fatal(got.body)
		}
	}
}

// renewed leaves old refresh tokens behind.
func renewed(t *testing.T, s *scene) {
	h := s.held["this"]
	h.old = h.RefreshToken
	h.renew(t)
	h.renew(t)
}

func refreshRevoked(t *testing.T, s *scene) {
	h := s.held["this"]
	if got := h.form(t, "/oauth2/revoke", "token", h.old); got.status != http.StatusOK {
		t.Fatal(got.body)
	}
}

func accessRevoked(t *testing.T, s *scene) {
	h := s.held["this"]
	if got := h.form(t, "/oauth2/revoke", "token", h.AccessToken); got.status != http.StatusOK {
		t.Fatal(got.body)
	}
}

func codeReplayed(t *testing.T, s *scene) {
	h := s.held["this"]
	if got := h.spend(t, h.code); got.Error != "invalid_grant" {
		t.Fatal(got.body)
	}
}

func reused(t *testing.T, s *scene) {
	h := s.held["this"]
	if got := h.refresh(t, h.old); got.Error != "invalid_grant" {
		t.Fatal(got.body)
	}
}

// unusual has a rule find that the app's token comes from another platform.
func unusual(t *testing.T, s *scene) {
	w := anomaly.New(anomaly.Options{Store: s.w.db, Now: s.w.now, Rules: anomaly.Shipped(), Log: slog.New(slog.DiscardHandler)})
	row, err := s.w.db.SessionByID(ctx, s.held["this"].sid)
	fine(t, err)
	row.UserAgent = "Notes/3 CFNetwork/1568 Darwin/24.0.0"
	w.Refreshed(identity.Refreshed{
		At: s.w.now(), Outcome: identity.Rotated, Session: row, Client: row.ClientID,
		Seen: identity.Seen{Address: "198.51.100.7", UserAgent: "okhttp/5.0"},
	})
	_, err = w.Look(ctx)
	fine(t, err)
}

// from is where Ada acts from.
func (s *scene) from(t *testing.T, device string) identity.From {
	t.Helper()
	v := map[string]*visitor{"phone": s.phone, "tablet": s.tablet}[device]
	return s.standing(t, v).From(identity.Seen{})
}

func (s *scene) devices() identity.Devices { return identity.Devices{Store: s.w.db, Now: s.w.now} }

func endOne(device string) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		fine(t, s.devices().End(t.Context(), s.from(t, device), s.held["this"].sid))
	}
}

func endOthers(t *testing.T, s *scene) {
	err := s.devices().EndOthers(t.Context(), s.from(t, "tablet"))
	fine(t, err)
}

func appEndsSibling(t *testing.T, s *scene) {
	address := s.w.issuer + "/me/sessions/" + s.held["this"].sid.String()
	if got := s.w.bearing(t, http.MethodDelete, address, s.held["twin"].AccessToken); got.status != http.StatusNoContent {
		t.Fatal(got.status, got.body)
	}
}

func (s *scene) byMail() identity.ByMail {
	links := identity.MailLinks{Store: s.w.db, Keys: s.w.keys, Now: s.w.now}
	return identity.ByMail{Store: s.w.db, Links: links, Credentials: s.credentials(), Devices: s.devices(), Now: s.w.now}
}

// mailed is the link that a mail carries.
func (s *scene) mailed(t *testing.T, kind identity.LinkKind, detail string) string {
	t.Helper()
	user, err := s.w.db.UserByID(t.Context(), s.ada.user.ID)
	fine(t, err)
	text, err := s.byMail().Links.Make(t.Context(), identity.LinkFor{UserID: user.ID, Kind: kind, Epoch: user.Epoch, Detail: detail})
	fine(t, err)
	return text
}

func notMe(t *testing.T, s *scene) {
	moment := identity.Moment{Before: s.w.now(), Email: s.ada.email}
	_, _, err := s.byMail().NotMe(t.Context(), s.mailed(t, identity.LinkNotMe, moment.Detail()), identity.Seen{})
	fine(t, err)
}

func consentWithdrawn(t *testing.T, s *scene) {
	fine(t, s.devices().Withdraw(t.Context(), s.from(t, "phone"), s.first.client.ID))
}

func (s *scene) credentials() identity.Credentials {
	return identity.Credentials{Store: s.w.db, Keys: s.w.keys, Passwords: s.w.passwords, Now: s.w.now}
}

func passwordChanged(t *testing.T, s *scene) {
	cookie, err := s.credentials().ChangePassword(t.Context(), s.standing(t, s.phone), identity.NewPassword{
		Current: s.ada.password, New: "another " + s.ada.password,
	})
	fine(t, err)
	s.keep(t, s.phone, cookie)
}

func passwordReset(t *testing.T, s *scene) {
	fine(t, s.byMail().Reset(t.Context(), s.mailed(t, identity.LinkReset, ""), identity.NewPassword{New: "another " + s.ada.password}))
}

// startsClean is passwordReset, after which nothing of whoever made the account is left.
func startsClean(t *testing.T, s *scene) {
	passwordReset(t, s)
	account, err := s.w.db.AccountByID(t.Context(), s.ada.user.ID)
	fine(t, err)
	if account.Name != "" || len(account.Factors)+account.CodesLeft > 0 || !account.EmailVerified {
		t.Errorf("after a clean start the account is %+v", account)
	}
}

func passwordSet(t *testing.T, s *scene) {
	users := identity.Users{Store: s.w.db, Passwords: s.w.passwords, Now: s.w.now}
	fine(t, users.SetPassword(ctx, s.ada.email, "another "+s.ada.password))
}

// changed makes a change of what opens the account, on the phone.
func (s *scene) changed(t *testing.T, ch identity.CredentialChange, write func(context.Context) error) {
	t.Helper()
	cookie, err := s.credentials().Change(t.Context(), s.standing(t, s.phone), ch, write)
	fine(t, err)
	s.keep(t, s.phone, cookie)
}

func factorRemoved(t *testing.T, s *scene) {
	factors := mfa.TOTP{Store: s.w.db, Keys: s.w.keys, Now: s.w.now}
	s.changed(t, identity.CredentialChange{Cause: identity.EndFactor, Event: identity.FactorRemoved},
		func(ctx context.Context) error { return factors.Remove(ctx, s.ada.user.ID) })
}

func factorReplaced(t *testing.T, s *scene) {
	factors, here := mfa.TOTP{Store: s.w.db, Keys: s.w.keys, Now: s.w.now}, s.standing(t, s.phone)
	e, err := factors.Begin(here)
	fine(t, err)
	s.ada.got(e.Secret, s.ada.codes)
	cookie, err := factors.Replace(ctx, s.credentials(), here, mfa.Confirmation{Sealed: e.Sealed, Code: s.ada.code(t)})
	fine(t, err)
	s.keep(t, s.phone, cookie)
}

func factorRemovedByOperator(t *testing.T, s *scene) {
	factors := mfa.TOTP{Store: s.w.db, Keys: s.w.keys, Now: s.w.now}
	fine(t, factors.RemoveFor(ctx, identity.Operators{Store: s.w.db, Now: s.w.now}, s.ada.user.ID, "lost phone"))
}

func emailChanged(t *testing.T, s *scene) {
	s.changed(t, identity.CredentialChange{Cause: identity.EndEmail, Event: identity.EmailChanged},
		func(ctx context.Context) error { return s.w.db.SetEmail(ctx, s.ada.user.ID, "new-"+s.ada.email) })
}

// tooManySessions signs in again and again, and uses what must outlive it.
func tooManySessions(t *testing.T, s *scene) {
	for range identity.MaxSessions - 2 {
		s.first.redeem(t, s.phone.signIn(t, s.first, s.ada))
	}
	for _, h := range s.held { // a busy machine takes longer for all that than codes live
		h.flying = h.again()
	}
	s.first.redeem(t, s.phone.signIn(t, s.first, s.ada))
	s.held["twin"].renew(t)
}

func operator(do func(o identity.Operators, s *scene) error) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		fine(t, do(identity.Operators{Store: s.w.db, Now: s.w.now}, s))
	}
}

func lockAndUnlock(o identity.Operators, s *scene) error {
	if _, err := o.Lock(ctx, s.ada.user.ID); err != nil {
		return err
	}
	_, err := o.Unlock(ctx, s.ada.user.ID)
	return err
}

func operatorEndsOne(device bool) func(identity.Operators, *scene) error {
	return func(o identity.Operators, s *scene) error {
		_, err := o.EndSession(ctx, s.held["this"].sid, device)
		return err
	}
}

func clientDisabled(o identity.Operators, s *scene) error {
	_, err := o.DisableClient(ctx, s.first.client.ID)
	return err
}

func newSecret(t *testing.T, s *scene) {
	c, err := s.w.db.ClientByID(t.Context(), s.first.client.ID)
	fine(t, err)
	s.first.secret = "another " + s.first.secret
	s.w.journal.hide(s.first.secret)
	c.SecretHash = s.w.keys.HashSecret(s.first.secret)
	fine(t, s.w.db.UpdateClient(t.Context(), c))
}

func secretRotated(t *testing.T, s *scene) {
	s.first.secret = "another " + s.first.secret
	s.w.journal.hide(s.first.secret)
	fine(t, identity.Operators{Store: s.w.db, Now: s.w.now}.RotateSecret(ctx, s.w.keys, identity.NewClientSecret{
		ClientID: s.first.client.ID, Secret: s.first.secret,
	}))
}

func clientChanged(change func(c *identity.Client)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		after, _, err := Operators(s.w.db, config.Config{}).UpdateClient(ctx, s.first.client.ID, func(c identity.Client) (identity.Client, error) {
			change(&c)
			return c, nil
		})
		fine(t, err)
		s.first.client = after
	}
}

func otherPerson(t *testing.T, s *scene) {
	bob := s.w.person(t)
	page := s.phone.open(t, s.w.issuer+"/signin?switch=1")
	s.phone.submit(t, page, "username", bob.email, "password", bob.password)
}

func passes(d time.Duration) func(*testing.T, *scene) {
	return func(_ *testing.T, s *scene) { s.w.pass(d) }
}
