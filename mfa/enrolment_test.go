package mfa

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp"

	"github.com/sojourn-auth/sojourn/identity"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// pages is a TOTP without a database: what a page shows needs none.
func pages(t *testing.T, now func() time.Time) TOTP {
	t.Helper()
	keys, err := identity.NewKeyring(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return TOTP{Keys: keys, Now: now, Issuer: "Harbour: Tea & Co"}
}

// anna is someone in a browser of theirs.
func anna() identity.Standing {
	return identity.Standing{
		User: identity.User{ID: identity.NewID(), Email: "anna+1@example.com"}, SignIn: identity.SignIn{ID: identity.NewID()},
	}
}

func TestEnrolment_isTheSameOnEveryPageUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	totp, user := pages(t, func() time.Time { return noon }), anna()
	begun, err := totp.Begin(user)
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := totp.Resume(user, begun.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(begun, resumed); diff != "" {
		t.Error(diff)
	}
	again, err := totp.Begin(user)
	if err != nil || again.Secret == begun.Secret || again.Codes[0] == begun.Codes[0] {
		t.Errorf("a second page shows secret or codes of the first (%v)", err)
	}
}

func TestEnrolment_addressIsWhatAuthenticatorsRead(t *testing.T) {
	t.Parallel()
	user := anna()
	e, err := pages(t, func() time.Time { return noon }).Begin(user)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(e.URI)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Harbour Tea & Co:anna+1@example.com" {
		t.Errorf("address is %s", e.URI)
	}
	if strings.Contains(u.RawQuery, "+") {
		t.Errorf("a plus sign in %s is shown as such by authenticators", u.RawQuery)
	}
	want := url.Values{
		"secret": {e.Secret}, "issuer": {"Harbour Tea & Co"}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"},
	}
	if diff := cmp.Diff(want, u.Query()); diff != "" {
		t.Error(diff)
	}
	if secret, err := ParseSecret(e.Secret); err != nil || len(secret) != 20 {
		t.Errorf("the secret has %d bytes (%v), want 20", len(secret), err)
	}
}

// What Google Authenticator's Key Uri Format says of labels, read by the parser that programs in Go use.
func TestEnrolment_labelIsEncodedWhole(t *testing.T) {
	t.Parallel()
	for issuer, read := range map[string]string{
		"Harbour": "Harbour", "Tea: Harbour": "Tea Harbour", "a/b?c=d&e#f": "a/b?c=d&e#f", "100 % Tee": "100 % Tee", "%3A%2F": "%3A%2F",
		"Hafencafé Zürich": "Hafencafé Zürich", "港": "港", "A+B": "A+B", " Harbour ": "Harbour",
	} {
		user := anna()
		user.User.Email = "änna+1&x=y/100%@example.com"
		totp := pages(t, func() time.Time { return noon })
		totp.Issuer = issuer
		e, err := totp.Begin(user)
		if err != nil {
			t.Fatal(err)
		}
		key, err := otp.NewKeyFromURL(e.URI)
		if err != nil {
			t.Fatal(err)
		}
		if key.Type() != "totp" || key.Issuer() != read || key.AccountName() != user.User.Email || key.Secret() != e.Secret {
			t.Errorf("%q is read as %q, %q, %q", issuer, key.Type(), key.Issuer(), key.AccountName())
		}
		label := strings.TrimPrefix(strings.Split(e.URI, "?")[0], "otpauth://totp/")
		if strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%:") != "" || strings.Count(label, ":") != 1 {
			t.Errorf("of the label %s something is not encoded", label)
		}
	}
}

func TestEnrolment_pageThatIsNotOursOrTooOldIsBegunAnew(t *testing.T) {
	t.Parallel()
	now := noon
	totp, user := pages(t, func() time.Time { return now }), anna()
	e, err := totp.Begin(user)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, user identity.Standing, sealed string) {
		t.Helper()
		_, err := totp.Resume(user, sealed)
		if refusal, ok := errors.AsType[*identity.Error](err); !ok || refusal.Kind != identity.Invalid || refusal.Field != "enrolment" {
			t.Errorf("%s: %v, want a refusal of the enrolment", what, err)
		}
	}
	other := base64.RawURLEncoding.EncodeToString(totp.Keys.Seal(identity.ForAsked, make([]byte, enrolmentLen), enrolledBy(user, adding)))
	short := base64.RawURLEncoding.EncodeToString(totp.Keys.Seal(identity.ForEnrol, make([]byte, 8), enrolledBy(user, adding)))
	refused("nothing", user, "")
	refused("garbage", user, "garbage!")
	refused("of another person", anna(), e.Sealed)
	refused("of another sign-in", identity.Standing{User: user.User, SignIn: identity.SignIn{ID: identity.NewID()}}, e.Sealed)
	enrolled := user
	enrolled.Factors = []identity.Factor{identity.TOTP}
	refused("to replace what it has added", enrolled, e.Sealed)
	replacement, err := totp.Begin(enrolled)
	if err != nil || replacement.Codes != nil {
		t.Errorf("a replacement brings the codes %v (%v)", replacement.Codes, err)
	}
	refused("to add what was begun to replace", user, replacement.Sealed)
	refused("sealed for something else", user, other)
	refused("cut", user, short)
	refused("far too long", user, strings.Repeat("A", 1<<20))
	now = noon.Add(time.Hour)
	if _, err := totp.Resume(user, e.Sealed); err != nil {
		t.Errorf("after an hour: %v", err)
	}
	now = noon.Add(time.Hour + time.Second)
	refused("after more than an hour", user, e.Sealed)
}

func TestEnrolment_pictureIsLargeAndHasAQuietZone(t *testing.T) {
	t.Parallel()
	e, err := pages(t, func() time.Time { return noon }).Begin(anna())
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(e.QR))
	if err != nil {
		t.Fatal(err)
	}
	side := picture.Bounds().Dx()
	if side < 200 || side != picture.Bounds().Dy() {
		t.Errorf("picture is %v, want a square of at least 200 px", picture.Bounds())
	}
	for at := range side {
		for edge := range quietZone * modulePx {
			if r, _, _, _ := picture.At(at, edge).RGBA(); r < blackBelow {
				t.Fatalf("a dark dot at %d,%d in the quiet zone", at, edge)
			}
			if r, _, _, _ := picture.At(side-1-edge, at).RGBA(); r < blackBelow {
				t.Fatalf("a dark dot at %d,%d in the quiet zone", side-1-edge, at)
			}
		}
	}
	if len(e.QR) > 4096 {
		t.Errorf("picture has %d bytes, too many to sit in a page", len(e.QR))
	}
}

func TestEnrolment_pictureIsReadByAScanner(t *testing.T) {
	t.Parallel()
	scanner, err := exec.LookPath("zbarimg")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("CI must read the picture:", err)
	case err != nil:
		t.Skip("zbarimg (Debian: zbar-tools) is not installed: the picture was not read")
	}
	e, err := pages(t, func() time.Time { return noon }).Begin(anna())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, e.QR, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := exec.Command(scanner, "--quiet", "--raw", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(read)); got != e.URI {
		t.Errorf("a scanner reads %q, want %q", got, e.URI)
	}
}
