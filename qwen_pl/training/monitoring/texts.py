"""Takes a text to whatever logger there is, as far as it has a place for texts."""

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger


def log_text(logger: Logger, name: str, markdown: str, step: int) -> None:
    """Logs a text to TensorBoard, W&B or MLflow; loggers that know only numbers are left alone."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text(name, markdown, step)
    elif isinstance(logger, WandbLogger):
        logger.log_text(name, columns=["step", "text"], data=[[step, markdown]], step=step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, markdown, f"{name}/step={step:08d}.md")


def plain(text: str) -> str:
    """Markdown that shows ``text`` as it is, line by line.

    >>> plain("# a *b*")
    '\\\\# a \\\\*b\\\\*'
    """
    for mark in "\\`*_{}[]()<>#+-!|~&$":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>&" else _ENTITIES[mark])
    return text.replace("\n", "  \n")


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
