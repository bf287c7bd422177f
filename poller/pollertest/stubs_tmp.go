package pollertest
var (accepting, stopping, panics, storms, crowds []test)
