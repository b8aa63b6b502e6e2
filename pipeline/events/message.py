"""Topic `shop.messages`: what became of messages, reported by the senders."""

from pipeline.events.customer import Channel
from pipeline.events.envelope import Event, Id


class MessageReport(Event, kw_only=True):
    """What all reports carry: which trigger caused the message, and how it went out."""

    trigger_id: Id | None = None
    channel: Channel | None = None


class MessageSent(MessageReport, tag="message_sent"):
    """Handed to the channel."""


class MessageDelivered(MessageReport, tag="message_delivered"):
    """Accepted by the receiver's provider."""


class MessageShown(MessageReport, tag="message_shown"):
    """Shown on site or in the app."""


class MessageFailed(MessageReport, tag="message_failed"):
    """Could not be sent."""


class MessageOpened(MessageReport, tag="message_opened"):
    """Opened; carries no weight anywhere, since mail-privacy proxies open everything."""


class MessageClicked(MessageReport, tag="message_clicked"):
    """A link in it was followed."""


class MessageBounced(MessageReport, tag="message_bounced"):
    """Came back."""


class MessageUnsubscribed(MessageReport, tag="message_unsubscribed"):
    """Unsubscribed from within the message: withdraws the channel."""


class MessageComplained(MessageReport, tag="message_complained"):
    """Marked as spam: withdraws the channel."""


MessageEvent = (
    MessageSent
    | MessageDelivered
    | MessageShown
    | MessageFailed
    | MessageOpened
    | MessageClicked
    | MessageBounced
    | MessageUnsubscribed
    | MessageComplained
)
