package web

import (
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
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
	lasts := standing.SignIn.EndsAt.Sub(p.Now())
	http.SetCookie(w, p.cookie(value, max(1, int(lasts/time.Second))))
	return nil
}

// forget takes the cookie from the browser.
func (p *Pages) forget(w http.ResponseWriter) { http.SetCookie(w, p.cookie("", -1)) }

// cookie has what the __Host- prefix demands (RFC 6265bis §4.1.3.2). Lax, because the way here from an app is a
// cross-site navigation.
func (p *Pages) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: identity.CookieName(p.Secure), Value: value, Path: "/", MaxAge: maxAge,
		Secure: p.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
