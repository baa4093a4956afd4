"""Keys that mean something to a notebook, and how to see whether it has heard them."""

OF_THE_NOTEBOOK = ("a", "x", "c", "v", "d", "d", "y", "j", "k", "i", "i", "Shift+Enter", "Control+Enter")

NOTEBOOK = """() => {
    const { content, sessionContext } = jupyterapp.shell.currentWidget;
    const cells = content.widgets.map(({ model }) => [model.type, model.sharedModel.getSource()]);
    const { id } = sessionContext.session.kernel;
    return [cells, content.activeCellIndex, id, document.querySelectorAll('.jp-Dialog').length];
}"""
COUNTS = """() => jupyterapp.shell.currentWidget.content.widgets.map(({ model }) => model.executionCount)"""
