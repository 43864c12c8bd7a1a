package urbanrobot

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

const (
	dialTimeout   = 10 * time.Second
	firstPause    = 200 * time.Millisecond
	longestPause  = 10 * time.Second
	pauseOnBudget = time.Minute
	answerTimeout = 10 * time.Second // for an acknowledgement
	drainTimeout  = time.Second      // where the bot leaves of its own accord
)

// Client is one bot process. All its methods may be called from any goroutine.
type Client struct {
	options Options
	address string
	dial    func(ctx context.Context, address string) (socket, error)
	gate    *gate
	orders  *queue
	chunks  protocol.Joiner

	mu       sync.Mutex
	link     *link                     // nil: not connected
	greeted  bool                      // hello has come on this link
	instance string                    // as hello told
	newest   uint64                    // the newest epoch seen
	epoch    uint64                    // under which the gate was opened last
	grant    *protocol.ProcessCommands // nil: the seat is not ours
	used     *protocol.ProcessCommands // the grant that was confirmed last
	login    loginState
	refusal  *protocol.Error // a hello's
	leaving  bool

	running sync.WaitGroup // everything that Run has started
	over    chan struct{}  // closed when the bot has left
	result  error          // of Run; read it after over
	stop    context.CancelFunc
}

// loginState says how far the login to Discord is.
type loginState int

const (
	loginPending loginState = iota + 1
	loginRunning
	loginDone
)

// New checks the options. It starts nothing.
func New(options Options) (*Client, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	address, err := endpoint(options.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		options: options.withDefaults(), address: address, dial: dialWebSocket,
		chunks: protocol.Joiner{Max: maxMessage}, orders: newQueue(), login: loginPending, over: make(chan struct{}),
	}
	c.gate = newGate(func() { c.orders.put(c.leaseRanOut) })
	return c, nil
}

// Active reports whether to process user commands now.
func (c *Client) Active() bool { return c.gate.isOpen() }

// Begin reports whether to process the Discord event with that id, which may be empty; an event that was handled before is
// not. If so, call done when it is processed: a stop waits for it, within its drain time.
func (c *Client) Begin(id string) (done func(), process bool) {
	if !c.gate.begin(id, nil) {
		return func() {}, false
	}
	return sync.OnceFunc(c.gate.finish), true
}

// Handle processes the Discord event with that id by calling work, or keeps it for 10 s in case this client takes over and is
// told to replay. It reports whether work was called.
func (c *Client) Handle(id string, work func()) bool {
	if !c.gate.begin(id, work) {
		return false
	}
	defer c.gate.finish()
	work()
	return true
}

// SendCache hands the cache to the server, in the background. Only the holder's is taken: without the seat it does nothing.
func (c *Client) SendCache() {
	c.orders.put(func(ctx context.Context) {
		if l := c.readyLink(); l != nil && c.gate.isOpen() {
			c.sendCache(ctx, l)
		}
	})
}

// Run connects, and keeps on connecting, until the server has told the bot to shut down (nil), the context ends (nil, after
// saying goodbye), the login to Discord fails, or the server refuses the bot for a reason that only a person can remove (a
// *protocol.Error). It returns when everything that it started has ended. Call it once.
func (c *Client) Run(ctx context.Context) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	c.stop = stop
	defer context.AfterFunc(ctx, func() { c.depart("stopped", nil) })()
	c.running.Go(func() { c.orders.run(life) })
	pause := firstPause
	for life.Err() == nil {
		err := c.connect(life)
		if c.isLeaving() {
			break
		}
		refusal, greeted := c.hangUp()
		switch {
		case refusal != nil && (refusal.Code == protocol.CodeUnauthorized || refusal.Code == protocol.CodeTokenRejected):
			c.depart(string(refusal.Code), refusal)
		case refusal != nil && refusal.Code == protocol.CodeIdentifyBudget:
			pause = pauseOnBudget
		case greeted:
			pause = firstPause
		}
		c.options.Logger.Warn("connection lost", "err", err, "pause", pause)
		sleep(life, pause/2+rand.N(pause/2)) //nolint:gosec // jitter is no secret
		pause = min(2*pause, longestPause)
	}
	<-c.over
	stop()
	c.running.Wait()
	c.gate.end()
	return c.result
}

// connect makes one connection and serves it until it ends.
func (c *Client) connect(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	s, err := c.dial(within, c.address)
	if err != nil {
		return err
	}
	var l *link
	l = newLink(s, c.gate.hear, func(p packet) { c.received(l, p) })
	return l.run(ctx, func() { c.connected(l) })
}

// connected sends identify.
func (c *Client) connected(l *link) {
	c.mu.Lock()
	c.link, c.greeted, c.refusal = l, false, nil
	identify := c.options.identify()
	if c.instance != "" {
		identify.Instance = c.instance
		identify.Session = &protocol.Session{Epoch: c.newest, Active: c.gate.isOpen(), Ready: c.login == loginDone}
		if identify.Session.Active {
			identify.Session.Epoch = c.epoch
		}
		identify.Handled = c.gate.lately()
	}
	c.mu.Unlock()
	data, _ := protocol.EncodeEvent(identify)
	l.emit(protocol.EventIdentify, data, nil, c.logRefusal(protocol.EventIdentify))
}

// hangUp forgets the link, and returns what the server said against the bot and whether it had said hello.
func (c *Client) hangUp() (refusal *protocol.Error, greeted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	refusal, greeted = c.refusal, c.greeted && c.refusal == nil
	c.link, c.greeted, c.refusal = nil, false, nil
	return refusal, greeted
}

// depart ends Run: the bot stops, says goodbye if it can, and Run returns err.
func (c *Client) depart(reason string, err error) {
	c.mu.Lock()
	if c.leaving {
		c.mu.Unlock()
		return
	}
	c.leaving, c.grant = true, nil
	epoch := c.newest
	c.mu.Unlock()
	was := c.gate.stop()
	c.orders.put(func(ctx context.Context) {
		told := protocol.Reason(reason)
		c.quit(ctx, c.anyLink(), protocol.ShutDown{
			Reason: told, Epoch: epoch, CacheSync: was && c.options.Cache != nil, DrainMS: drainTimeout.Milliseconds(),
		}, was, err)
	})
}

func (c *Client) isLeaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving
}

// anyLink returns the connection, or nil.
func (c *Client) anyLink() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}

// readyLink returns the connection if hello has come on it and the bot is logged in to Discord, or else nil.
func (c *Client) readyLink() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.greeted || c.login != loginDone {
		return nil
	}
	return c.link
}

// logRefusal returns what logs that the server refused an event.
func (c *Client) logRefusal(event string) func(error) {
	return func(err error) {
		if err != nil && !errors.Is(err, errClosed) {
			c.options.Logger.Warn("event refused", "event", event, "err", err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// queue runs functions one at a time, in order, on the goroutine of run. put never blocks.
type queue struct {
	mu    sync.Mutex
	items []func(context.Context)
	wake  chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) put(f func(context.Context)) {
	q.mu.Lock()
	q.items = append(q.items, f)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run works until the context ends.
func (q *queue) run(ctx context.Context) {
	for {
		q.mu.Lock()
		items := q.items
		q.items = nil
		q.mu.Unlock()
		for _, f := range items {
			if ctx.Err() != nil {
				return
			}
			f(ctx)
		}
		if len(items) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
	}
}
