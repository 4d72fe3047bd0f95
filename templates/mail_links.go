package templates

// ForgotMail carries the link to choose a new password.
type ForgotMail struct {
	MailFrame
	Link string
}

func (m ForgotMail) letter() letter {
	l := newLetter("mail.forgot", m.MailFrame)
	l.links = []way{{"mail.forgot.link", m.Link}}
	return l
}

// VerifyMail carries the link that confirms the address of an account.
type VerifyMail struct {
	MailFrame
	Link string
}

func (m VerifyMail) letter() letter {
	l := newLetter("mail.verify", m.MailFrame)
	l.links, l.footer = []way{{"mail.verify.link", m.Link}}, "mail.footer.given"
	return l
}

// NewAddressMail goes to the address that an account is to move to, with the link that does it.
type NewAddressMail struct {
	MailFrame
	Link string
}

func (m NewAddressMail) letter() letter {
	l := newLetter("mail.new_address", m.MailFrame)
	l.links, l.footer = []way{{"mail.new_address.link", m.Link}}, "mail.footer.given"
	return l
}

// OldAddressMail goes to the address that an account had.
type OldAddressMail struct {
	MailFrame
	// Email is the account's address from now on.
	Email string
	// NotMe is the link that ends everything.
	NotMe string
}

func (m OldAddressMail) letter() letter {
	l := newLetter("mail.old_address", m.MailFrame, "email", m.Email)
	l.links, l.footer = []way{{"mail.not_me", m.NotMe}}, "mail.footer.had"
	return l
}

// HaveMail goes to the owner of an account when somebody signs up with its address.
type HaveMail struct {
	MailFrame
	SignInURL, ForgotURL string
}

func (m HaveMail) letter() letter {
	l := newLetter("mail.have", m.MailFrame)
	l.links = []way{{"mail.have.signin", m.SignInURL}, {"mail.have.forgot", m.ForgotURL}}
	return l
}
