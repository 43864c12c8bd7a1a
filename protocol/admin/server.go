package admin

import (
	"context"
	"encoding/json"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"
)

// server answers requests.
type server struct {
	config  Config
	log     zerolog.Logger
	mux     *http.ServeMux
	openAPI []byte
	wrong   wrongTokens
}

// NewServer returns a server for the API. It opens nothing: call Serve with a listener, or use its Handler alone.
func NewServer(config Config) (*http.Server, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &server{config: config, log: config.Log, mux: http.NewServeMux()}
	if err := s.mount(); err != nil {
		return nil, err
	}
	const slow = 20 * time.Second // for a request to come in, and again for its answer to get out
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       slow,
		WriteTimeout:      slow + config.Timeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          stdlog.New(errorLog{s.log}, "", 0),
	}, nil
}

// ServeHTTP implements http.Handler: it is round every request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recovered(w, r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	if strings.HasPrefix(r.URL.Path, "/api/") {
		if problem := s.authorize(w, r); problem != nil {
			writeProblem(w, problem)
			return
		}
	}
	if handler, pattern := s.mux.Handler(r); pattern == "" {
		refused := &statusOnly{header: http.Header{}}
		handler.ServeHTTP(refused, r)
		writeProblem(w, noRoute(r, refused.status, refused.header.Get("Allow")))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
	defer cancel()
	s.mux.ServeHTTP(w, r.WithContext(context.WithValue(ctx, addressKey{}, address(r))))
}

// mount puts everything that is served on the mux.
func (s *server) mount() error {
	api := humago.New(s.mux, s.apiConfig())
	s.routes(api)
	documentProblems(api)
	var err error
	if s.openAPI, err = json.Marshal(api.OpenAPI()); err != nil {
		return fmt.Errorf("admin: write the OpenAPI document: %w", err)
	}
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(s.openAPI) // whoever asked has gone away
	})
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.config.Ready(); err != nil {
			writeProblem(w, notReady(err))
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return nil
}

// apiConfig is huma's, without the pages it could serve: they load scripts from other hosts.
func (s *server) apiConfig() huma.Config {
	config := huma.DefaultConfig("Urban Robot", "1")
	config.Info.Description = "What the fleets of an Urban Robot want, run and try, and what to do about it. Errors are problems as in RFC 9457."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat} // and …+json
	config.Transformers = []huma.Transformer{tidyProblem}
	config.AllowAdditionalPropertiesByDefault = true // answers may grow; what comes in is strict, see strict
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		tokenScheme: {Type: "http", Scheme: "bearer", Description: "The token that admin.token names"},
	}
	return config
}

// recovered answers a request whose handler panicked, unless an answer was begun: a defect of ours must not end the service.
func (s *server) recovered(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if r.Context().Err() != nil {
		return // whoever asked has gone away, and the answer could not be written
	}
	s.log.Error().Str("cause", fmt.Sprint(cause)).Str("method", r.Method).Str("path", r.URL.Path).Bytes("stack", debug.Stack()).
		Msg("request panicked")
	writeProblem(w, internal())
}

// addressKey is the key of the caller's address in a request's context.
type addressKey struct{}

// address is where a request comes from, without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// statusOnly takes the status that the mux answers a path or a method it does not know with.
type statusOnly struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (w *statusOnly) Header() http.Header { return w.header }

// Write implements http.ResponseWriter.
func (*statusOnly) Write(text []byte) (int, error) { return len(text), nil }

// WriteHeader implements http.ResponseWriter.
func (w *statusOnly) WriteHeader(status int) { w.status = status }

// errorLog takes the lines of net/http: broken handshakes and the like, which anybody can cause.
type errorLog struct{ log zerolog.Logger }

// Write implements io.Writer.
func (l errorLog) Write(line []byte) (int, error) {
	l.log.Debug().Str("detail", strings.TrimSpace(string(line))).Msg("http server complained")
	return len(line), nil
}
