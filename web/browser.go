package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// standing returns who is signed in in this browser.
func (p *Pages) standing(r *http.Request) (identity.Standing, error) {
	cookie, err := r.Cookie(identity.CookieName(p.Secure))
	if err != nil { // http.ErrNoCookie is the only one there is
		return identity.Standing{}, nil
	}
	standing, err := p.SignIns.Current(r.Context(), cookie.Value)
	identity.TrailOf(r.Context()).UserID = standing.User.ID
	return standing, err
}

// keep gives the browser a new value of the cookie, for as long as the SignIn behind it can live at most: a browser that
// is closed, or a phone that is restarted, stays signed in.
func (p *Pages) keep(w http.ResponseWriter, r *http.Request, value string) error {
	standing, err := p.SignIns.Current(r.Context(), value)
	if err != nil {
		return err
	}
	if !standing.SignedIn() {
		return identity.Refuse(identity.SignInAgain, "The sign-in ended again at once. Sign in once more.")
	}
	lasts := max(1, int(standing.SignIn.EndsAt.Sub(p.Now())/time.Second))
	http.SetCookie(w, p.cookie(value, lasts))
	http.SetCookie(w, p.stateCookie(standing.BrowserState(), lasts))
	if !standing.Halfway(p.Policy) {
		p.remember(w, r, standing.User)
	}
	return nil
}

// forget takes the cookie from the browser. Its state stays and says that nobody is signed in, for our frame in apps' pages:
// without a cookie it could not tell that from a browser that hides them (check_session.js).
func (p *Pages) forget(w http.ResponseWriter) {
	http.SetCookie(w, p.cookie("", -1))
	http.SetCookie(w, p.stateCookie(identity.Standing{}.BrowserState(), int(identity.BrowserLastsFor/time.Second)))
}

// cookie has what the __Host- prefix demands (RFC 6265bis §4.1.3.2). Lax, because the way here from an app is a
// cross-site navigation.
func (p *Pages) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: identity.CookieName(p.Secure), Value: value, Path: "/", MaxAge: maxAge,
		Secure: p.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// stateCookie is for our frame in other sites' pages (OpenID Connect Session Management 1.0 §3), so scripts may read it and
// it goes where the other does not. Browsers take SameSite=None over https alone; and many give frames of another site no
// cookies at all, so what comes of it is best effort.
func (p *Pages) stateCookie(value string, maxAge int) *http.Cookie {
	cookie := &http.Cookie{
		Name: identity.StateCookie, Value: value, Path: "/", MaxAge: maxAge, Secure: p.Secure, SameSite: http.SameSiteLaxMode,
	}
	if p.Secure {
		cookie.SameSite = http.SameSiteNoneMode
	}
	return cookie
}

// knownBrowser says who has signed in in this browser before.
func (p *Pages) knownBrowser(r *http.Request) identity.Browser {
	return p.Keys.ReadBrowser(cookieOf(r, identity.BrowserCookieName(p.Secure)))
}

// cookieOf is the value of a cookie, or empty.
func cookieOf(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil { // http.ErrNoCookie is the only one there is
		return ""
	}
	return cookie.Value
}

// remember notes in the browser that a person has signed in there. That outlives signing out.
func (p *Pages) remember(w http.ResponseWriter, r *http.Request, u identity.User) {
	cookie := p.cookie(p.Keys.BrowserText(p.knownBrowser(r).With(u)), int(identity.BrowserLastsFor/time.Second))
	cookie.Name = identity.BrowserCookieName(p.Secure)
	http.SetCookie(w, cookie)
}

// keepSignUp has the browser show, for as long as the account waits, that a sign-up was sent from it.
func (p *Pages) keepSignUp(w http.ResponseWriter, user identity.NewUser) {
	email, err := identity.CleanEmail(user.Email)
	if err != nil {
		return
	}
	cookie := p.cookie(p.Keys.SignUpText(email, user.Password), int(identity.KeepUnconfirmed/time.Second))
	cookie.Name = identity.SignUpCookieName(p.Secure)
	http.SetCookie(w, cookie)
}

// signedUpHere is the cookie value of the last sign-up that was sent from this browser, or empty.
func (p *Pages) signedUpHere(r *http.Request) string {
	return cookieOf(r, identity.SignUpCookieName(p.Secure))
}

// typed is the address that was typed in this browser a moment ago, or empty. It spares people typing it again on the next
// page, and stands in no URL.
func (p *Pages) typed(r *http.Request) string {
	return p.Keys.ReadAddress(cookieOf(r, identity.AddressCookieName(p.Secure)))
}

// keepTyped has the browser keep an address that was typed, for ten minutes. What is none is not kept.
func (p *Pages) keepTyped(w http.ResponseWriter, email string) {
	clean, err := identity.CleanEmail(email)
	if err != nil {
		return
	}
	cookie := p.cookie(p.Keys.AddressText(clean), int(identity.FreshFor/time.Second))
	cookie.Name = identity.AddressCookieName(p.Secure)
	http.SetCookie(w, cookie)
}

// phones are the platforms that are no computer's.
var phones = []string{"iPhone", "iPad", "Android"}

// machine is what people may know a device by: what its app says of it, and what the User-Agent lets guess.
func machine(d identity.Device, userAgent string) templates.Machine {
	browser, platform := identity.ReadUserAgent(userAgent)
	m := templates.Machine{Name: d.Name, Model: d.Model, Browser: browser, Platform: platform}
	switch {
	case slices.Contains(phones, platform):
		m.Kind = templates.Phone
	case platform != "":
		m.Kind = templates.Computer
	case d.Model != "": // only apps on phones say so
		m.Kind = templates.Phone
	}
	return m
}

// appOn is the machine of an app's session, which is no browser where nobody knows what it runs on.
func appOn(s identity.Session) templates.Machine {
	m := machine(s.Device, s.UserAgent)
	if m.Kind == "" && m.Browser == "" {
		m.Kind = templates.Program
	}
	return m
}
