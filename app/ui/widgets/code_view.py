"""Code to read: line numbers of the real file, colours of either theme, to select and to copy."""

from __future__ import annotations

from collections.abc import Sequence

from pygments.lexer import Lexer
from pygments.lexers import CLexer, CythonLexer, PythonLexer
from pygments.token import Token, _TokenType
from PyQt6.QtCore import QRect, QSize, Qt
from PyQt6.QtGui import (
    QColor,
    QFont,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QSyntaxHighlighter,
    QTextCharFormat,
    QTextDocument,
    QTextOption,
)
from PyQt6.QtWidgets import QFrame, QPlainTextEdit, QWidget

from app.core.source_code import Excerpt
from app.ui.theme import monospace, theme

__all__ = ["CodeView"]

FONT_PIXELS = 12

# What each kind of word looks like: a colour of the theme, and whether it is bold or slanted.
# The nearest ancestor of a token counts.
STYLES: dict[_TokenType, tuple[str, bool, bool]] = {
    Token.Keyword: ("accent", False, False),
    Token.Operator.Word: ("accent", False, False),
    Token.Name.Function: ("text", True, False),
    Token.Name.Class: ("text", True, False),
    Token.Name.Builtin: ("accent", False, False),
    Token.Name.Exception: ("bad", False, False),
    Token.Name.Decorator: ("warm", False, False),
    Token.Literal.String: ("good", False, False),
    Token.Literal.Number: ("warm", False, False),
    Token.Comment: ("quiet", False, True),
    Token.Comment.Preproc: ("warm", False, False),
}


def _style(token: _TokenType) -> tuple[str, bool, bool] | None:
    word: _TokenType | None = token
    while word is not None:
        if word in STYLES:
            return STYLES[word]
        word = word.parent
    return None


class _Highlighter(QSyntaxHighlighter):
    """Colours a document whose words were told apart beforehand."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self.words: list[list[tuple[int, int, tuple[str, bool, bool]]]] = []

    def highlightBlock(self, text: str | None) -> None:
        """Qt: colour one line."""
        number = self.currentBlock().blockNumber()
        for start, length, (colour, bold, slanted) in (
            self.words[number] if number < len(self.words) else ()
        ):
            style = QTextCharFormat()
            style.setForeground(theme.colour(colour))
            style.setFontItalic(slanted)
            if bold:
                style.setFontWeight(QFont.Weight.DemiBold)
            self.setFormat(start, length, style)


def _words(lexer: Lexer, text: str) -> list[list[tuple[int, int, tuple[str, bool, bool]]]]:
    """Return, for each line, where its coloured words are."""
    lines: list[list[tuple[int, int, tuple[str, bool, bool]]]] = [[]]
    column = 0
    for token, value in lexer.get_tokens(text):
        style = _style(token)
        for place, piece in enumerate(value.split("\n")):
            if place:
                lines.append([])
                column = 0
            if style is not None and piece:
                lines[-1].append((column, len(piece), style))
            column += len(piece)
    return lines


class _Numbers(QWidget):
    """The column of line numbers."""

    def __init__(self, view: CodeView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self) -> QSize:
        """Qt: as wide as the longest number."""
        return QSize(self._view.numbers_width(), 0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the view knows where its lines are."""
        self._view.paint_numbers(self)


class CodeView(QPlainTextEdit):
    """Shows excerpts of files, one below the other."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Code")
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setWordWrapMode(QTextOption.WrapMode.NoWrap)
        self.setUndoRedoEnabled(False)
        # The program's style sheet sets a size for all: only a sheet of its own has the last word.
        self.setStyleSheet(
            f'QPlainTextEdit {{ font-family: "{monospace().family()}"; '
            f"font-size: {FONT_PIXELS}px; padding: 4px 2px; }}"
            "QAbstractScrollArea::corner { background: transparent; border: none; }"
        )
        self._numbers: list[str] = []
        self._starts: list[int] = []
        self._excerpts: tuple[Excerpt, ...] = ()
        self._column = _Numbers(self)
        document = self.document()
        assert document is not None
        self._highlighter = _Highlighter(document)
        self.updateRequest.connect(self._on_update)
        theme.changed.connect(self._repaint)
        self._place_column()

    def set_code(self, excerpts: Sequence[Excerpt], empty_text: str = "") -> None:
        """Show code; `empty_text` when there is none."""
        if tuple(excerpts) == self._excerpts and (excerpts or self.toPlainText() == empty_text):
            return
        self._excerpts = tuple(excerpts)
        lexers = {"python": PythonLexer, "cython": CythonLexer, "c": CLexer}
        texts: list[str] = []
        numbers: list[str] = []
        starts: list[int] = []
        words: list[list[tuple[int, int, tuple[str, bool, bool]]]] = []
        for place, excerpt in enumerate(excerpts):
            starts.append(len(texts) + (1 if place else 0))
            for header in ([""] if place else []) + [excerpt.path]:
                texts.append(header)
                numbers.append("")
                words.append([(0, len(header), ("quiet", False, True))])
            lexer = lexers[excerpt.language](stripnl=False, ensurenl=False)
            found = _words(lexer, excerpt.text)
            words += found + [[] for _ in range(len(excerpt.lines) - len(found))]
            texts += [line.text for line in excerpt.lines]
            numbers += [str(line.number) if line.number else "" for line in excerpt.lines]
        self._numbers, self._starts = numbers, starts
        self._highlighter.words = words if texts else []
        self.setPlainText("\n".join(texts) if texts else empty_text)
        self._place_column()

    @property
    def code(self) -> str:
        """All that is shown, without the names of files."""
        return "\n\n".join(excerpt.text for excerpt in self._excerpts)

    def show_excerpt(self, place: int) -> None:
        """Scroll to the file of that number."""
        bar = self.verticalScrollBar()
        if bar is not None and place < len(self._starts):
            bar.setValue(self._starts[place])

    def show_definition(self, name: str) -> None:
        """Scroll to where a function is defined."""
        document, bar = self.document(), self.verticalScrollBar()
        assert document is not None
        for number in range(document.blockCount()):
            if document.findBlockByNumber(number).text().lstrip().startswith(f"def {name}("):
                if bar is not None:
                    bar.setValue(number if number > 1 else 0)
                return

    def copy_all(self) -> None:
        """Copy what is selected, or all there is."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is None:
            return
        selected = self.textCursor().selectedText().replace("\u2029", "\n")
        clipboard.setText(selected or self.code)

    def numbers_width(self) -> int:
        """How wide the column of numbers is."""
        digits = max((len(number) for number in self._numbers), default=0)
        return self.fontMetrics().horizontalAdvance("9") * digits + 14 if digits else 0

    def _place_column(self) -> None:
        width = self.numbers_width()
        self.setViewportMargins(width, 0, 0, 0)
        inside = self.contentsRect()
        self._column.setGeometry(QRect(inside.left(), inside.top(), width, inside.height()))
        self._column.update()

    def _on_update(self, _rect: QRect, dy: int) -> None:
        self._column.scroll(0, dy) if dy else self._column.update()

    def _repaint(self) -> None:
        self._highlighter.rehighlight()
        self._place_column()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: the column of numbers is as high as the view."""
        super().resizeEvent(event)
        self._place_column()

    def paint_numbers(self, column: QWidget) -> None:
        """Draw the numbers of the lines in sight."""
        painter = QPainter(column)
        painter.setFont(self.font())
        faint = QColor(theme.colour("quiet"))
        faint.setAlpha(150)
        painter.setPen(faint)
        block = self.firstVisibleBlock()
        viewport = self.viewport()
        assert viewport is not None
        below = viewport.geometry().top() - column.geometry().top()
        top = self.blockBoundingGeometry(block).translated(self.contentOffset()).top() + below
        while block.isValid() and top < column.height():
            height = self.blockBoundingRect(block).height()
            number = block.blockNumber()
            if block.isVisible() and number < len(self._numbers):
                room = QRect(0, round(top), column.width() - 8, round(height))
                painter.drawText(room, int(Qt.AlignmentFlag.AlignRight), self._numbers[number])
            top += height
            block = block.next()
