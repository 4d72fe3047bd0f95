package templates

// Page is one page for people: a struct of this package that embeds Frame.
type Page interface {
	template() string
	frame() Frame
}

// Frame is what every page has around its content.
type Frame struct {
	// Operator is whose door this is.
	Operator Operator
	// App is the client that asks. Empty when the person came by themselves.
	App App
	// Title is the heading. Empty: the page's own, from the catalogue.
	Title string
	// Reference is the short request reference that Problem shows.
	Reference string
	// Theme is the operator's stylesheet, same-origin because of our
	// Content-Security-Policy. It overrides the properties at the top of app.css.
	Theme string
}

func (f Frame) frame() Frame { return f }

// Operator is who runs this server. An empty LogoURL shows the name alone.
type Operator struct {
	Name    string
	LogoURL string
}

// App is the client that asks, in the words people know it by.
type App struct {
	Name string
	// LogoURL is served from here, never from the client's own host.
	LogoURL string
	// Host is where the redirect leads. Empty: an app on this device
	// (loopback or private-use scheme, RFC 8252 §7).
	Host string
}

// Called is the app's name, else its host, else a phrase that stands for it.
func (a App) Called() string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Host != "":
		return a.Host
	}
	return english.sentences["app.unnamed"]
}

// Known is whether there is an app to name.
func (a App) Known() bool { return a.Name != "" || a.Host != "" }

// Link is a way on: where it leads and what it says.
type Link struct {
	URL   string
	Label string
}

// Person is who the page speaks to, with a way out for someone else.
type Person struct {
	// Username is the e-mail address. Empty: the line is left out.
	Username string
	// NotYouURL leads to signing in as someone else.
	NotYouURL string
}
