package templates

// SignOut asks whether the person wants to be signed out. Its form posts to the page's own address.
type SignOut struct {
	Frame
	Form
	// Asker is the name of the app that asks. Empty: it is not known.
	Asker string
	// StayURL leads on without signing out.
	StayURL string
}

func (SignOut) template() string { return "signout" }

// SignedOut says that this browser is signed out.
type SignedOut struct {
	Frame
	SignInURL string
	// Back leads back to the app. Empty URL: the link is left out.
	Back Link
	// Host is where Back leads, for an app whose name proves nothing. Empty: it is not said.
	Host string
	// Onward is whether the page goes Back by itself, once Frames have loaded.
	Onward bool
	// Frames are the addresses of other apps that learn of it by being loaded.
	Frames []string
	// Stranded is whether the app asked for a way back that it had not registered.
	Stranded bool
}

func (SignedOut) template() string { return "signedout" }
