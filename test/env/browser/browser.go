// Package browser runs a real Chromium, and watches what a page does in it.
package browser

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
)

// Browser is a running Chromium.
type Browser struct {
	ctx  context.Context
	stop func()
}

// Start starts bin/chromium. A missing one is an error, not a reason to skip a test.
func Start(ctx context.Context) (*Browser, error) {
	binary, err := cluster.Tool("chromium")
	if err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(binary), chromedp.WSURLReadTimeout(process.Patience),
		chromedp.NoSandbox) // Chromium has no sandbox for root
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	b := &Browser{}
	b.ctx, _ = chromedp.NewContext(allocator)
	b.stop = func() {
		_ = chromedp.Cancel(b.ctx)
		stop()
	}
	if err := chromedp.Do(b.ctx); err != nil {
		b.stop()
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	return b, nil
}

// Stop ends the browser and waits for it.
func (b *Browser) Stop() { b.stop() }

// Tab is a page, and what it did.
type Tab struct {
	ctx   context.Context
	close func()

	mu       sync.Mutex
	errors   []string
	requests []string
}

// Look is how a page is looked at.
type Look struct {
	Width, Height int64 // 1280 x 900 if 0
	Dark          bool
	NoScript      bool
}

// Open makes an empty tab that records errors and requests.
func (b *Browser) Open(look Look) (*Tab, error) {
	tab := &Tab{}
	opened, end := chromedp.NewContext(b.ctx)
	if err := chromedp.Do(opened); err != nil {
		end()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	patient, stop := context.WithTimeout(opened, process.Patience)
	tab.ctx, tab.close = patient, func() { stop(); end() }
	if err := tab.prepare(look); err != nil {
		tab.Close()
		return nil, fmt.Errorf("prepare a tab: %w", err)
	}
	return tab, nil
}

func (t *Tab) prepare(look Look) error {
	if err := chromedp.Listen(t.ctx, t.record); err != nil {
		return err
	}
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	return t.Do(
		command(network.Enable, network.EnableParams{}),
		command(log.Enable, cdp.Empty{}),
		command(runtime.Enable, cdp.Empty{}),
		chromedp.EmulateViewport(cmp.Or(look.Width, 1280), cmp.Or(look.Height, 900)),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: look.NoScript}),
	)
}

func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

// Close ends the tab.
func (t *Tab) Close() { t.close() }

func (t *Tab) record(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		text := event.ExceptionDetails.Text
		if event.ExceptionDetails.Exception != nil {
			text += " " + event.ExceptionDetails.Exception.Description
		}
		t.errors = append(t.errors, text)
	case *runtime.EventConsoleAPICalled:
		t.errors = append(t.errors, fmt.Sprintf("console.%s", event.Type))
	case *log.EventEntryAdded:
		t.errors = append(t.errors, event.Entry.Text)
	case *network.EventRequestWillBeSent:
		// A data: URL is in the page.
		if !strings.HasPrefix(event.Request.URL, "data:") {
			t.requests = append(t.requests, event.Request.URL)
		}
	}
}

// Errors are the exceptions, the lines of the console and the violations of the page's policy.
func (t *Tab) Errors() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.errors)
}

// Requests are the URLs that were asked for, the page itself included.
func (t *Tab) Requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.requests)
}

// Do does what chromedp can do.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) error { return chromedp.Do(t.ctx, steps...) }

// Run does what has a result.
func Run[T any](t *Tab, action chromedp.Action[T]) (T, error) { return chromedp.Run(t.ctx, action) }

// Script returns the value of an expression in the page.
func Script[T any](t *Tab, expression string) (T, error) {
	return chromedp.Run(t.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}
