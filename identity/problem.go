package identity

// Problem is a page that says kindly what went wrong and leads back: the protocol decides that there is one, the pages
// show it.
type Problem struct {
	Status    int // HTTP status
	Title     string
	Msg       string
	Yours     bool   // whether the person did something wrong; mostly not
	Client    Client // the app that asked; zero when it is not known
	BackURL   string // a way back to the app, or empty
	BackLabel string
}
