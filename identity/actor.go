package identity

import "context"

// maxActor is how many bytes are kept of an operator's name.
const maxActor = MaxDevice

// Actor names who of the operators acts and from where: cli:ada, api:deploy. What cannot be shown of the name is left out.
func Actor(from, name string) string { return from + ":" + cleanFact(name) }

type actorKey struct{}

// WithActor returns a context whose Events name who of the operators acts, like cli:ada.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf returns who acts; empty: the person, their app or the server itself.
func ActorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}
