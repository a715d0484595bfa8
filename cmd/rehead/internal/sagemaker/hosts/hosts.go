// Package hosts shares the embedding of pictures among the hosts of a job. Each host embeds every
// n-th picture and sends its bottlenecks to the leader, which trains on all of them.
package hosts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
)

// List is resourceconfig.json: which host this is, and all of them.
type List struct {
	Current string   `json:"current_host"`
	All     []string `json:"hosts"`
}

// Read reads which host this is and how many there are.
func Read(tree layout.Tree) (List, error) {
	var h List
	if err := layout.ReadJSON(tree.Config("resourceconfig.json"), &h); err != nil {
		return List{}, err
	}
	slices.Sort(h.All)
	if h.Rank() < 0 && (len(h.All) > 1 || len(h.All) == 1 && h.Current != "") {
		return List{}, fmt.Errorf("sagemaker: resourceconfig.json: current_host %q is not among hosts (%s)", h.Current,
			strings.Join(h.All, ", "))
	}
	return h, nil
}

// Leader is the host that trains: the first by name.
func (h List) Leader() string {
	if len(h.All) == 0 {
		return h.Current
	}
	return slices.Min(h.All)
}

// Rank is this host's place among all by name, 0 for the leader; -1 when it is not one of them.
func (h List) Rank() int {
	return slices.Index(slices.Sorted(slices.Values(h.All)), h.Current)
}

// CacheName is this host's folder of bottlenecks among the checkpoints, which all hosts share.
func (h List) CacheName() string {
	if h.Rank() > 0 {
		return "bottlenecks-" + h.Current
	}
	return "bottlenecks"
}
