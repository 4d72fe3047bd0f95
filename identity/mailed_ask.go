package identity

import "context"

// AskReset asks for a link to choose a new password. It does the same for an address that has an account and for one that
// has none: only whoever sends the mail looks. Refusals: Invalid (field username), Throttled.
func (m Mailed) AskReset(ctx context.Context, email string, seen Seen) error {
	email, err := CleanEmail(email)
	if err != nil {
		return err
	}
	return m.ask(ctx, Letter{Kind: LetterForgot, To: email}, email, seen)
}

// AskVerify asks for another link to confirm the person's address, unless that was done already. Refusal: Throttled.
func (m Mailed) AskVerify(ctx context.Context, s Standing, seen Seen) error {
	if s.User.EmailVerified {
		return nil
	}
	return m.ask(ctx, Letter{Kind: LetterVerify, UserID: s.User.ID}, s.User.Email, seen)
}

// AskMove asks for a link that moves the account to another address. Whether that has an account already, it doesn't
// tell: whoever reads the mail sent there learns it. Refusals: Invalid (field new_email), Throttled.
func (m Mailed) AskMove(ctx context.Context, s Standing, email string, seen Seen) error {
	email, err := CleanEmail(email)
	if err != nil {
		return RefuseField("new_email", err.Error())
	}
	if email == s.User.Email {
		return RefuseField("new_email", "This is the address of your account already. Enter another one.")
	}
	letter := Letter{Kind: LetterNewEmail, UserID: s.User.ID, To: email, Detail: moveDetail(s.SignIn.ID, email)}
	return m.ask(ctx, letter, email, seen)
}

// ask queues a letter to an address, unless too many were asked for to it or from the person's network.
func (m Mailed) ask(ctx context.Context, l Letter, to string, seen Seen) error {
	place := ThrottleKey("letters", Network(seen.Address))
	if err := TryOrWait(ctx, m.Store, place, AddressThrottle); err != nil {
		return err
	}
	if err := TryOrWait(ctx, m.Store, letterKey(to), LetterThrottle); err != nil {
		return err
	}
	return m.Store.QueueLetter(ctx, l)
}

// letterKey counts what strangers can make us send to an address.
func letterKey(to string) string { return ThrottleKey("letter", to) }
