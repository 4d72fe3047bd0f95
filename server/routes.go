package server

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"
)

// routes mounts the surfaces on one router.
func (s *Server) routes() *mux.Router {
	s.router = mux.NewRouter()
	s.router.Use(noteRoute)
	s.protocol.Routes(s.router)
	s.pages.Routes(s.router)
	if s.logo.image != nil {
		s.router.HandleFunc(logoPath, s.logo.serve).Methods(http.MethodGet)
	}
	s.router.NotFoundHandler = http.HandlerFunc(s.nothingHere)
	s.router.MethodNotAllowedHandler = wrongMethod(s.router, s.answer(errWrongMethod))
	return s.router
}

// wrap puts around the router what is true of every request, in the order in which a request meets it.
func (s *Server) wrap(router http.Handler) (http.Handler, error) {
	foreign, err := ownForms(s.cfg.Issuer, s.answer(errForeignForm))
	if err != nil {
		return nil, err
	}
	return layered(router,
		realAddress(s.cfg.TrustedProxies),
		observe(s.log, s.metrics),
		headers(s.secure(), s.logo.origin),
		recovered(s.log, s.answer(errFault)),
		cors,
		limitBody(s.answer(errTooLarge)),
		foreign,
		headAsGet,
		deadline,
	), nil
}

// layered puts layers around a handler; the first one meets a request first.
func layered(h http.Handler, layers ...func(http.Handler) http.Handler) http.Handler {
	for _, layer := range slices.Backward(layers) {
		h = layer(h)
	}
	return h
}
