package main

import "strings"

// shape is the kind of a node.
type shape uint8

const (
	shapeEmpty shape = iota + 1 // a key with nothing behind it
	shapeScalar
	shapeList
	shapeObject
)

// String names the shape for people.
func (s shape) String() string {
	return [...]string{"nothing", "empty", "one value", "a list", "a group of keys"}[s]
}

// node is one value as it was written, before anybody knows what it should be.
type node struct {
	at     origin
	shape  shape
	text   string  // of a scalar
	quoted bool    // a scalar in quotes: text, never a number
	object []entry // in the order of writing; keys are unique. A list's keys are 0, 1, 2 and so on
}

// entry is one key of an object, or one item of a list.
type entry struct {
	key   string
	at    origin // of the key
	value *node
}

// get returns the entry of a key or the item of a list, or nil.
func (n *node) get(key string) *entry {
	for i := range n.object {
		if n.object[i].key == key {
			return &n.object[i]
		}
	}
	return nil
}

// put lays one value over the tree. A number is the place of an item in a list. Where one value is in the way it stays, to be
// refused as it is.
func (n *node) put(path []string, text string, at origin) {
	for _, key := range path[:len(path)-1] {
		child := n.get(key)
		if child == nil {
			n.object = append(n.object, entry{key: key, at: at})
			child = n.get(key)
		}
		if child.value == nil || child.value.shape == shapeEmpty {
			child.value = &node{at: at, shape: shapeObject}
		}
		if child.value.shape == shapeScalar {
			return
		}
		n = child.value
	}
	leaf := entry{key: path[len(path)-1], at: at, value: &node{at: at, shape: shapeScalar, text: text}}
	if old := n.get(leaf.key); old != nil {
		*old = leaf
		return
	}
	n.object = append(n.object, leaf)
}

// find returns where the deepest key on the path was written, and whether that is the whole path.
func (n *node) find(path string) (at origin, whole bool) {
	at = n.at
	for _, key := range splitPath(path) {
		if n == nil {
			return at, false
		}
		child := n.get(key)
		if child == nil {
			return at, false
		}
		at, n = child.at, child.value
	}
	return at, true
}

// keys lists the keys of the object at path.
func (n *node) keys(path string) []string {
	for _, key := range splitPath(path) {
		child := n.get(key)
		if child == nil || child.value == nil {
			return nil
		}
		n = child.value
	}
	keys := make([]string, 0, len(n.object))
	for _, e := range n.object {
		keys = append(keys, e.key)
	}
	return keys
}

func splitPath(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, ".")
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
